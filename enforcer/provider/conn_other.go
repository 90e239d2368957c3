//go:build !linux

package provider

import "net"

// stateOf knows nothing on this system: requests are sent again only where none of their
// bytes was written.
func stateOf(*net.TCPConn) state { return state{} }
