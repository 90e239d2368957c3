package call

import (
	"context"
	"net/textproto"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestNoTrace: without a tracer, the code for traces allocates nothing.
func TestNoTrace(t *testing.T) {
	c := &Call{calls: New(Options{}), Request: Request{Endpoint: protocol.ChatCompletions{}, Header: textproto.MIMEHeader{}}}
	idle := step{"idle", func(*Call, context.Context) *Problem { return nil }}
	entry := &ledgerv1.Entry{}
	ctx := t.Context()
	traced := func() {
		c.startTrace()
		ctx := c.traced(ctx)
		c.take(ctx, idle)
		c.startForward(ctx)
		c.endForward(nil)
		c.endTrace()
		endSettle(c.startAfter(settleStep), entry, nil)
	}
	if got := testing.AllocsPerRun(100, traced); got != 0 {
		t.Errorf("%v allocations a call, want none", got)
	}
}
