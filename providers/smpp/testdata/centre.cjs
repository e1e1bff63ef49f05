// A message centre by the npm package smpp, for tests.
//
//   node centre.cjs FOLDER OPTIONS
//
// FOLDER has node_modules. OPTIONS is JSON: password; ids and receipts, the
// base (10 or 16) of message ids in answers and in receipts, 0 for no receipts;
// tlv, whether receipts say it in parameters rather than text; stat; elsewhere,
// whether receipts go to who bound last rather than to the sender; throttle, how
// many messages to throttle first; key and cert, PEM files for TLS; quiet,
// whether to print no messages. It prints a line of JSON for each thing that
// happens.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const smpp = require(path.join(process.argv[2], 'node_modules', 'smpp'));
const options = JSON.parse(process.argv[3]);

const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
let last = 0x1a2b3c00;
let newest = null;
let throttle = options.throttle || 0;

function receipt(session, id, submitted) {
  const stat = options.stat || 'DELIVRD';
  const pdu = {
    esm_class: 0x04,
    source_addr: submitted.destination_addr,
    destination_addr: submitted.source_addr,
  };
  if (options.tlv) {
    pdu.receipted_message_id = id;
    pdu.message_state = { ENROUTE: 1, DELIVRD: 2, EXPIRED: 3, UNDELIV: 5, REJECTD: 8 }[stat];
  } else {
    pdu.short_message = `id:${id} sub:001 dlvrd:001 submit date:2610040900 done date:2610040901 stat:${stat} err:000 text:`;
  }
  (options.elsewhere ? newest : session).deliver_sm(pdu, (answer) => say({ event: 'receipt answered', id, status: answer.command_status }));
}

function onSession(session) {
  session.on('error', (error) => say({ event: 'error', error: String(error) }));
  session.on('bind_transceiver', (pdu) => {
    const status = pdu.password === options.password ? 0 : smpp.ESME_RINVPASWD;
    say({ event: 'bind', system_id: pdu.system_id, version: pdu.interface_version, status });
    session.send(pdu.response({ command_status: status, system_id: 'npm' }));
    newest = session;
  });
  session.on('submit_sm', (pdu) => {
    if (throttle > 0) {
      throttle--;
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
      return;
    }
    const n = ++last;
    if (!options.quiet) {
      say({
        event: 'message',
        from: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr].join(' '),
        to: [pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr].join(' '),
        text: pdu.short_message.message,
        udh: (pdu.short_message.udh || []).map((b) => b.toString('hex')),
        sar: 'sar_msg_ref_num' in pdu ? [pdu.sar_total_segments, pdu.sar_segment_seqnum] : null,
        coding: pdu.data_coding,
        registered: pdu.registered_delivery,
        seconds: Math.round((pdu.validity_period - Date.now()) / 1000),
      });
    }
    session.send(pdu.response({ message_id: n.toString(options.ids || 10) }));
    if (options.receipts) {
      receipt(session, n.toString(options.receipts), pdu);
    }
  });
  session.on('enquire_link', (pdu) => {
    say({ event: 'enquire_link' });
    session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    say({ event: 'unbind' });
    session.send(pdu.response());
    session.close();
  });
}

const tls = options.key ? { key: fs.readFileSync(options.key), cert: fs.readFileSync(options.cert) } : {};
const server = smpp.createServer(tls, onSession);
server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume(); // its test is over
