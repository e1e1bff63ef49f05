package smpp

// command is what a PDU asks for or answers, its command_id (SMPP 3.4, 5.1.2.1).
type command uint32

// The commands that a transceiver needs.
const (
	genericNack     command = 0x80000000
	submitSM        command = 0x00000004
	deliverSM       command = 0x00000005
	unbind          command = 0x00000006
	bindTransceiver command = 0x00000009
	enquireLink     command = 0x00000015
)

// answers is the bit that makes a command the answer to it.
const answers command = 0x80000000

func (c command) isAnswer() bool { return c&answers != 0 }

// answer is the command that answers c.
func (c command) answer() command { return c | answers }

// status is how a request went, its command_status (SMPP 3.4, 5.1.3).
type status uint32

// The statuses that Denwa gives, or treats as more than an entry of a table.
const (
	statusOK        status = 0x00
	statusInvalidID status = 0x03 // ESME_RINVCMDID
	statusNotBound  status = 0x04 // ESME_RINVBNDSTS
	statusQueueFull status = 0x14 // ESME_RMSGQFUL
	statusThrottled status = 0x58 // ESME_RTHROTTLED
	statusTryLater  status = 0x64 // ESME_RX_T_APPN
	statusNever     status = 0x65 // ESME_RX_P_APPN
)
