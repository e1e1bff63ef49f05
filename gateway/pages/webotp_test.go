package pages_test

import (
	"fmt"
	"testing"
)

// phoneService stands where Chromium asks a phone for messages: it intercepts
// the browser's own interface, as the Web Platform Tests do, and speaks its wire
// format, since the bindings aren't part of an installed Chromium. Everything
// above is real: navigator.credentials.get, its signal, the credential.
//
// https://chromium.googlesource.com/chromium/src/+/main/third_party/blink/public/mojom/sms/webotp_service.mojom
const phoneService = `(() => {
	if (!("MojoInterfaceInterceptor" in window)) return;
	const expectsAnswer = 1, isAnswer = 2, success = 0;
	function answer(question, code) {
		const header = 32, text = new TextEncoder().encode(code);
		const b = new DataView(new ArrayBuffer(header + 24 + 8 + Math.ceil(text.length / 8) * 8));
		b.setUint32(0, header, true);
		b.setUint32(4, 1, true); // the header's version, with an id of the request
		b.setUint32(12, question.getUint32(12, true), true); // the method
		b.setUint32(16, isAnswer, true);
		b.setBigUint64(24, question.getBigUint64(24, true), true);
		b.setUint32(header, 24, true); // a struct of status and code
		b.setInt32(header + 8, success, true);
		b.setBigUint64(header + 16, 8n, true); // the code is eight bytes after here
		b.setUint32(header + 24, 8 + text.length, true);
		b.setUint32(header + 28, text.length, true);
		new Uint8Array(b.buffer).set(text, header + 32);
		return b.buffer;
	}
	const service = new MojoInterfaceInterceptor("blink.mojom.WebOTPService");
	service.oninterfacerequest = ({ handle }) => {
		const read = () => {
			for (let m = handle.readMessage(); m.result === Mojo.RESULT_OK; m = handle.readMessage()) {
				const question = new DataView(m.buffer);
				if (question.getUint32(16, true) !== expectsAnswer) continue;
				window.receive = (code) => { handle.writeMessage(answer(question, code), []); };
			}
		};
		window.kept = [service, handle, handle.watch({ readable: true }, read)];
		read();
	};
	service.start();
})()`

// TestWebOTP: the browser reads the code of a message, and the page fills itself
// in and goes on.
func TestWebOTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(given)
	tab := browser.Open(t, phone)
	tab.Before(phoneService)
	tab.Go(s.URL)
	if there, _ := tab.Evaluate(`"OTPCredential" in window && "MojoInterfaceInterceptor" in window`).(bool); !there {
		t.Skip("this Chromium has no WebOTP, or no way to stand in for its phone")
	}
	tab.Click("[value=sms]")
	tab.Wait("the page to ask", `window.receive`)
	tab.Evaluate(fmt.Sprintf(`window.receive(%q)`, w.code(mobile)))
	arrive(tab, w, s)

	// Who types the code isn't waited for any more.
	s = w.create(`"to":"080-1111-2222"`)
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	tab.Wait("the page to ask", `window.receive`)
	tab.Type("#code", w.code("+818011112222")+"\r")
	arrive(tab, w, s)
}
