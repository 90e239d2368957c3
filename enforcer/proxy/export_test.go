package proxy

import (
	"net/http"
	"time"

	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// SetWriteTimeout sets how long a client may take to take in some of an answer.
func (p *Proxy) SetWriteTimeout(d time.Duration) { p.writeTimeout = d }

// TraceNothing is what is done for the trace of a call which does nothing itself.
func (p *Proxy) TraceNothing(r *http.Request) func() {
	c, entry := &call{endpoint: protocol.ChatCompletions{}}, &ledger.Entry{}
	idle := step{"idle", func(*call, http.ResponseWriter, *http.Request) *refusal { return nil }}
	return func() {
		r = p.startTrace(c, r)
		p.take(idle, c, nil, r)
		c.endTrace()
		endSettle(p.startAfter(c, "settle"), entry, nil)
	}
}
