package probing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/config"
)

const (
	// lookEvery is how often Redis is asked for probes that no message announced.
	lookEvery = time.Second
	// batch is how many probes are taken at once. It is small, because the probes that a
	// dying enforcer has taken are asked for again only after a while.
	batch = 16
	// timeout bounds a batch.
	timeout = 5 * time.Second
)

// Config is what the enforcer runs.
type Config interface {
	Tenant(name string) (*admission.Tenant, bool)
	Running() config.Running
}

// Admitter simulates the admission of a call.
type Admitter interface {
	Probe(ctx context.Context, tenant *admission.Tenant) (limiterv1.ProbeAnswer, error)
}

// Prober makes the probes that are wanted. It makes one at a time, however many wait:
// calls come first.
type Prober struct {
	client   redis.UniversalClient
	config   Config
	admitter Admitter
	session  func() string
	host     string
	log      *slog.Logger
	lost     bool
}

// New makes a Prober. session is the session that this process has now.
func New(client redis.UniversalClient, config Config, admitter Admitter, session func() string, log *slog.Logger) *Prober {
	host, _ := os.Hostname() // only for people to read; empty will do
	return &Prober{client: client, config: config, admitter: admitter, session: session, host: host, log: log}
}

// Run makes probes until ctx ends.
func (p *Prober) Run(ctx context.Context) {
	subscription := p.client.Subscribe(ctx, limiterv1.ProbesChannel)
	defer func() { _ = subscription.Close() }() // nothing depends on its end
	messages := subscription.Channel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		more, err := true, error(nil)
		for more && err == nil && ctx.Err() == nil {
			more, err = p.answerSome(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		p.noteFailure(err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-messages:
		}
	}
}

// noteFailure logs when probes begin to fail.
func (p *Prober) noteFailure(err error) {
	if failed := err != nil; failed != p.lost {
		p.lost = failed
		if failed {
			p.log.Error("failed to answer probes", "error", err)
		}
	}
}

// answerSome takes some of the probes that are wanted, and answers them.
func (p *Prober) answerSome(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tenants, err := p.client.SPopN(ctx, limiterv1.ProbesKey, batch).Result()
	if err != nil {
		return false, fmt.Errorf("take probes: %w", err)
	}
	if len(tenants) == 0 {
		return false, nil
	}
	answers := make([]any, 0, 2*len(tenants))
	for _, tenant := range tenants {
		answer, err := json.Marshal(p.probe(ctx, tenant))
		if err != nil {
			return false, fmt.Errorf("encode the answer to a probe: %w", err)
		}
		answers = append(answers, tenant, answer)
	}
	pipe := p.client.Pipeline()
	pipe.HSet(ctx, limiterv1.ProbeAnswersKey, answers...)
	pipe.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedProbe+" "+strings.Join(tenants, " "))
	if _, err := pipe.Exec(ctx); err != nil {
		return false, fmt.Errorf("answer probes: %w", err)
	}
	return len(tenants) == batch, nil
}

// probe is the answer for a tenant.
func (p *Prober) probe(ctx context.Context, name string) limiterv1.ProbeAnswer {
	// The revision is read before the tenant: if a change comes in between, the answer
	// claims an older revision than it has, never a newer one.
	running := p.config.Running()
	var answer limiterv1.ProbeAnswer
	err := errUnknown
	if tenant, known := p.config.Tenant(name); known {
		answer, err = p.admitter.Probe(ctx, tenant)
	}
	if err != nil {
		answer = limiterv1.ProbeAnswer{Failure: err.Error()}
	}
	answer.Session, answer.Host = p.session(), p.host
	answer.Incarnation, answer.Revision = running.Incarnation, running.Revision
	return answer
}

var errUnknown = errors.New("unknown tenant")
