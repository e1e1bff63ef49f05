import { countDown } from "./live.js";

countDown();
