package provider

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// stateOf asks the system for the state of a connection. It takes nothing from what there
// is to read.
func stateOf(tcp *net.TCPConn) (s state) {
	if tcp == nil {
		return state{}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return state{}
	}
	// Control, unlike Read, does not wait for the Read that is under way. It fails when the
	// connection was closed here: then nothing is known.
	_ = raw.Control(func(fd uintptr) { s = stateOfSocket(int(fd)) })
	return s
}

func stateOfSocket(fd int) (s state) {
	_, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	s.pending = !errors.Is(err, unix.EAGAIN)
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		s.acknowledged = info.Bytes_acked
		s.settled = info.Unacked == 0 && info.Notsent_bytes == 0
	}
	return s
}
