package process

import (
	"fmt"
	"net"
	"sync"
)

var (
	portsMu sync.Mutex
	ports   = map[int]bool{}
)

// FreeAddresses are so many addresses of the loopback interface, each with a free port.
func FreeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		addresses[i] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	return addresses, nil
}

// FreePort is a TCP port of the loopback interface on which nothing listens, and
// which this program was not given before. Another program may still take it first:
// the caller must be ready to ask for another.
func FreePort() (int, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	for {
		port, err := unusedPort()
		if err != nil {
			return 0, fmt.Errorf("free port on 127.0.0.1: %w", err)
		}
		if !ports[port] {
			ports[port] = true
			return port, nil
		}
	}
}

func unusedPort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
