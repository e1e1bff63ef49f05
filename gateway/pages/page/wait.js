import { countDown, follow } from "./live.js";
import { sendOnce } from "./once.js";

follow();
countDown();
sendOnce();
