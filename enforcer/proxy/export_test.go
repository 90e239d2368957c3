package proxy

import "time"

// SetWriteTimeout sets how long a client may take to take in some of an answer.
func (p *Proxy) SetWriteTimeout(d time.Duration) { p.writeTimeout = d }
