package proxy

import (
	"time"

	"github.com/bursar-dev/bursar/enforcer/admission"
)

// SetWriteTimeout sets how long a client may take to take in some of an answer.
func (p *Proxy) SetWriteTimeout(d time.Duration) { p.timeouts.write = d }

// SetReadTimeouts sets how long a client may take for a body, for a pause in it, and for the
// rest of one that is not read.
func (p *Proxy) SetReadTimeouts(body, pause, rest time.Duration) {
	p.timeouts.body, p.timeouts.pause, p.timeouts.rest = body, pause, rest
}

// Bodies bound the memory of bodies.
type Bodies = bodies

// NewBodies makes Bodies.
func NewBodies(limit int64) *Bodies { return newBodies(limit) }

// Take, GiveBack and InUse are those of the proxy.
func (b *bodies) Take(s admission.Subject, bytes int64) error { return b.take(s, bytes) }
func (b *bodies) GiveBack(s admission.Subject, bytes int64)   { b.giveBack(s, bytes) }
func (b *bodies) InUse() int64                                { return b.inUse() }

// Failures bound what is read in vain.
type Failures = failures

// NewFailures makes Failures by a clock.
func NewFailures(now func() time.Time) *Failures {
	f := newFailures()
	f.now = now
	return f
}

// Note, Wait and Known are those of the proxy.
func (f *failures) Note(s admission.Subject, bytes int64)  { f.note(s, bytes) }
func (f *failures) Wait(s admission.Subject) time.Duration { return f.wait(s) }
func (f *failures) Known() int                             { return len(f.debts) }
