package fakeprovider

import (
	"math/big"
	"sync"
)

// Bill is what the provider wants to be paid.
type Bill struct {
	// TotalNanos is the sum of the calls in nano-USD.
	TotalNanos int64 `json:"total_nanos"`
	// Total is the same in US dollars, with nine digits after the point.
	Total string `json:"total"`
	// Calls are the calls that cost something, in the order in which they began.
	Calls []BilledCall `json:"calls"`
}

// BilledCall is one line of the bill.
type BilledCall struct {
	// ID is the X-Request-Id that the request came with, or one made here.
	ID    string `json:"id"`
	Model string `json:"model"`
	// API is the path that was called, without the model.
	API string `json:"api"`
	// User is the request's "user", if it had one.
	User   string `json:"user,omitempty"`
	Stream bool   `json:"stream"`
	// InputTokens contain those that were read from the cache, those that were
	// written to it, for five minutes and for an hour, and those of sound.
	InputTokens        int64 `json:"input_tokens"`
	CachedInputTokens  int64 `json:"cached_input_tokens"`
	CacheWriteTokens   int64 `json:"cache_write_tokens,omitempty"`
	CacheWrite1hTokens int64 `json:"cache_write_1h_tokens,omitempty"`
	AudioInputTokens   int64 `json:"audio_input_tokens,omitempty"`
	// OutputTokens contain ThoughtTokens.
	OutputTokens  int64 `json:"output_tokens"`
	ThoughtTokens int64 `json:"thought_tokens,omitempty"`
	// Tier is the service tier; empty is the default.
	Tier string `json:"tier,omitempty"`
	// Geo and Speed are what multiplies the price of the tokens; empty is the default.
	Geo   string `json:"geo,omitempty"`
	Speed string `json:"speed,omitempty"`
	// Searches are billed beside the tokens.
	Searches int64 `json:"searches,omitempty"`
	// CostNanos is the price of it all in nano-USD, rounded up.
	CostNanos int64 `json:"cost_nanos"`
	// Complete says whether the answer was generated to its end.
	Complete bool `json:"complete"`
}

// ledger is the running bill. A call is on it from the moment its generation
// begins, and every token as soon as it is generated, so that whatever ends a
// call, the bill is right.
type ledger struct {
	mu    sync.Mutex
	lines []*line
}

type line struct {
	ledger *ledger
	model  model
	call   BilledCall
}

func (l *ledger) begin(m model, call BilledCall) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := &line{ledger: l, model: m, call: call}
	l.lines = append(l.lines, entry)
	return entry
}

func (e *line) addOutput(tokens int64) {
	e.ledger.mu.Lock()
	defer e.ledger.mu.Unlock()
	e.call.OutputTokens += tokens
}

func (e *line) addThoughts(tokens int64) {
	e.ledger.mu.Lock()
	defer e.ledger.mu.Unlock()
	e.call.OutputTokens += tokens
	e.call.ThoughtTokens += tokens
}

func (e *line) complete() {
	e.ledger.mu.Lock()
	defer e.ledger.mu.Unlock()
	e.call.Complete = true
}

func (l *ledger) bill() Bill {
	l.mu.Lock()
	defer l.mu.Unlock()
	bill := Bill{Calls: make([]BilledCall, len(l.lines))}
	for i, entry := range l.lines {
		call := entry.call
		call.CostNanos = entry.model.cost(call)
		bill.Calls[i] = call
		bill.TotalNanos += call.CostNanos
	}
	const nanosPerDollar = 1_000_000_000
	bill.Total = big.NewRat(bill.TotalNanos, nanosPerDollar).FloatString(9)
	return bill
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

// snapshot is the line as it stands now, without its cost.
func (e *line) snapshot() BilledCall {
	e.ledger.mu.Lock()
	defer e.ledger.mu.Unlock()
	return e.call
}
