package alert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

const (
	// workers is how many deliveries are made at a time, each for another tenant: the receivers of
	// so many tenants may hang before others have to wait.
	workers = 8
	// sendTimeout bounds an attempt.
	sendTimeout = 15 * time.Second
	// longestPause is the longest pause between attempts.
	longestPause = time.Hour
	// KeepTrying is for how long after an alert, or its resolution, its delivery is tried.
	KeepTrying = 72 * time.Hour
)

// pauses are the times that pass between attempts.
type pauses struct {
	// look is how often the outbox is polled for deliveries that nothing announces: those
	// that were put off, and those that another manager left behind.
	look time.Duration
	// lease is how long an attempt belongs to the manager that makes it. It leaves time to
	// record how the attempt ended.
	lease time.Duration
	// first is the pause after the first attempt. Later ones double, up to
	// longestPause, and are lengthened by up to a fifth, so that what failed together is
	// not tried together.
	first time.Duration
}

var usualPauses = pauses{look: 5 * time.Second, lease: time.Minute, first: 5 * time.Second}

// Outbox is where deliveries wait.
type Outbox interface {
	Take(ctx context.Context, lease time.Duration, busy ...string) (*budgetstore.Delivery, error)
	Delivered(ctx context.Context, d budgetstore.Delivery) error
	PutOff(ctx context.Context, d budgetstore.Delivery, why string, pause time.Duration) error
	Abandon(ctx context.Context, d budgetstore.Delivery, why string) error
	AbandonMuted(ctx context.Context) error
	AnnounceResolutions(ctx context.Context, looksBack time.Duration) (int64, error)
	Failing(ctx context.Context) (map[string]string, error)
	TopSpenders(ctx context.Context, tenant string, span period.Span, most int) ([]budgetstore.Spender, error)
	Muted(ctx context.Context, d budgetstore.Delivery) (int, error)
}

// channel is a way to send alerts. The errors of both methods are *failure where the tenant
// is to see them.
type channel interface {
	// check reports what stands in the way of any delivery for the budget, as far as
	// that can be told without making one.
	check(ctx context.Context, budget *v1alpha1.TenantBudget) error
	send(ctx context.Context, budget *v1alpha1.TenantBudget, l letter) error
}

// letter is a delivery, and what a message tells beside its alerts.
type letter struct {
	budgetstore.Delivery
	// cluster is the name of the cluster, and link where more is to be seen; empty if the
	// manager was not told.
	cluster, link string
	// spenders are the users who have spent most in the period, most first.
	spenders []budgetstore.Spender
	// muted is how many more alerts of the rung there are that are not sent.
	muted int
}

// Options are what differs between one Deliverer and another.
type Options struct {
	// MailServer is nil where there is none.
	MailServer *MailServer
	Outbound   Outbound
	// Authorities are trusted for the certificates of the mail server and of the receivers
	// of webhooks; nil means those of the system.
	Authorities *x509.CertPool
	// Cluster is the name of the cluster in messages, and Link the URL of a page about a
	// tenant: {tenant}, {namespace}, {budget}, {from} and {to} stand for those of the alert,
	// the last two in milliseconds since 1970. Both are empty for none.
	Cluster, Link string
	// Console is the URL of the console, without a slash at its end; empty for none. Messages about
	// requests for more link to the alert there, and all others where there is no Link.
	Console string
}

// Deliverer delivers what is in the outbox for as long as the manager leads.
type Deliverer struct {
	outbox  Outbox
	budgets client.Reader
	// cluster, link and console are as in Options.
	cluster, link, console string

	channels map[ledgerv1.Channel]channel
	pauses   pauses
	// woken has something in it when there may be something to deliver.
	woken    chan struct{}
	busy     busy
	findings findings
}

// NewDeliverer makes a Deliverer. It finds budgets in a cache, and Secrets at the API
// server alone.
func NewDeliverer(outbox Outbox, budgets, api client.Reader, options Options) *Deliverer {
	poster, secrets := newPoster(options.Outbound, options.Authorities), secrets{api}
	return &Deliverer{
		outbox: outbox, budgets: budgets, cluster: options.Cluster, link: options.Link, console: options.Console, pauses: usualPauses, woken: make(chan struct{}, 1),
		channels: map[ledgerv1.Channel]channel{
			ledgerv1.Email:     &email{server: options.MailServer, authorities: options.Authorities},
			ledgerv1.Webhook:   &webhook{poster, secrets},
			ledgerv1.Slack:     newSlack(poster, secrets),
			ledgerv1.Teams:     newTeams(poster, secrets),
			ledgerv1.PagerDuty: newPagerDuty(poster, secrets),
		},
	}
}

// NeedLeaderElection keeps all but the leader out.
func (d *Deliverer) NeedLeaderElection() bool { return true }

// Wake says that there is something to deliver.
func (d *Deliverer) Wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// Start delivers until ctx ends, and then ends the attempts that are under way. A
// failure is noted or logged, and tried again.
func (d *Deliverer) Start(ctx context.Context) error {
	var working sync.WaitGroup
	for range workers {
		working.Go(func() { d.work(ctx) })
	}
	working.Go(func() { d.watch(ctx) })
	working.Wait()
	return nil
}

func (d *Deliverer) work(ctx context.Context) {
	for ctx.Err() == nil {
		delivery, err := d.take(ctx)
		if err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Failed to look for alerts to deliver; will retry")
		}
		if delivery != nil {
			d.Wake() // there may be more, for another worker
			d.deliver(context.WithoutCancel(ctx), *delivery)
			d.busy.end(delivery.Tenant)
			continue
		}
		select {
		case <-ctx.Done():
		case <-d.woken:
		case <-time.After(d.pauses.look + rand.N(d.pauses.look/5)):
		}
	}
}

// take takes a delivery of a tenant that has no other delivery under way.
func (d *Deliverer) take(ctx context.Context) (*budgetstore.Delivery, error) {
	d.busy.taking.Lock()
	defer d.busy.taking.Unlock()
	delivery, err := d.outbox.Take(ctx, d.pauses.lease, d.busy.tenants()...)
	if delivery != nil {
		d.busy.begin(delivery.Tenant)
	}
	return delivery, err
}

// deliver makes one attempt and notes how it ended.
func (d *Deliverer) deliver(ctx context.Context, delivery budgetstore.Delivery) {
	ctx, cancel := context.WithTimeout(ctx, d.pauses.lease)
	defer cancel()
	err := d.attempt(ctx, delivery)
	var why *failure
	if err != nil && !errors.As(err, &why) {
		log.FromContext(ctx).Error(err, "Failed to deliver an alert", "tenant", delivery.Tenant, "channel", delivery.Channel)
		why = failed("the manager failed to build the message: see its log")
	}
	if errors.Is(err, errUnknown) {
		return // The lease ends by itself, and it is tried again.
	}
	switch {
	case why == nil:
		count(delivery, resultDelivered)
		d.note(ctx, func(ctx context.Context) error { return d.outbox.Delivered(ctx, delivery) })
	case why.final || time.Since(delivery.Since) > KeepTrying:
		count(delivery, resultAbandoned)
		log.FromContext(ctx).Info("Gave up delivering an alert", "tenant", delivery.Tenant, "channel", delivery.Channel, "why", why.message)
		d.note(ctx, func(ctx context.Context) error { return d.outbox.Abandon(ctx, delivery, why.message) })
	default:
		count(delivery, resultFailed)
		pause := max(d.pauses.after(delivery.Attempt), why.wait)
		d.note(ctx, func(ctx context.Context) error { return d.outbox.PutOff(ctx, delivery, why.message, pause) })
	}
}

// errUnknown means that the budget of an alert could not be read.
var errUnknown = errors.New("find the budget of an alert")

func (d *Deliverer) attempt(ctx context.Context, delivery budgetstore.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	budget, err := d.budgetOf(ctx, delivery)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	if budget == nil {
		return &failure{message: "the TenantBudget was deleted", final: true}
	}
	if !slices.Contains(budgetstore.Recipients(budget.Spec.Alerts), delivery.Recipient) {
		return &failure{message: "spec.alerts no longer names the recipient", final: true}
	}
	return d.channels[delivery.Channel].send(ctx, budget, d.letter(ctx, budget, delivery))
}

// mostSpenders is how many of the users who have spent most a message names.
const mostSpenders = 3

// letter adds to a delivery what helps to understand it. If the database does not answer, the
// message goes without it.
func (d *Deliverer) letter(ctx context.Context, budget *v1alpha1.TenantBudget, delivery budgetstore.Delivery) letter {
	l := letter{Delivery: delivery, cluster: d.cluster, link: d.linkTo(budget, delivery)}
	if delivery.Limit == "" {
		return l
	}
	muted, err := d.outbox.Muted(ctx, delivery)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to count the muted alerts; sending the alert without their number", "tenant", delivery.Tenant)
	}
	l.muted = muted
	if !delivery.Owner.IsTenant() || delivery.RequestID != "" {
		return l
	}
	spenders, err := d.outbox.TopSpenders(ctx, delivery.Tenant, delivery.Period, mostSpenders)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the top spenders; sending the alert without them", "tenant", delivery.Tenant)
	}
	l.spenders = spenders
	return l
}

// linkTo returns the link of a message: to the console for requests, which are decided there, and
// otherwise to the page that the manager was told of, if any.
func (d *Deliverer) linkTo(budget *v1alpha1.TenantBudget, delivery budgetstore.Delivery) string {
	if d.console != "" && (delivery.RequestID != "" || d.link == "") {
		return d.console + "/alerts/" + delivery.AlertID + "?tenant=" + url.QueryEscape(delivery.Tenant)
	}
	return filledIn(d.link, budget, delivery)
}

// filledIn is a link with what stands in braces filled in.
func filledIn(link string, budget *v1alpha1.TenantBudget, d budgetstore.Delivery) string {
	to := d.Period.End
	if d.RaisedAt.After(d.Period.Start) && d.RaisedAt.Before(to) {
		to = d.RaisedAt
	}
	return strings.NewReplacer(
		"{tenant}", url.QueryEscape(d.Tenant), "{namespace}", url.QueryEscape(budget.Namespace), "{budget}", url.QueryEscape(budget.Name),
		"{from}", strconv.FormatInt(d.Period.Start.UnixMilli(), 10), "{to}", strconv.FormatInt(to.UnixMilli(), 10),
	).Replace(link)
}

// budgetOf is the budget that the alert is of; nil when it is gone.
func (d *Deliverer) budgetOf(ctx context.Context, delivery budgetstore.Delivery) (*v1alpha1.TenantBudget, error) {
	var budgets v1alpha1.TenantBudgetList
	if err := d.budgets.List(ctx, &budgets, client.MatchingFields{index.BudgetTenant: delivery.Tenant}); err != nil {
		return nil, err
	}
	for i := range budgets.Items {
		if string(budgets.Items[i].UID) == delivery.UID {
			return &budgets.Items[i], nil
		}
	}
	return nil, nil
}

// note notes how an attempt ended, and tries until the lease is over: what is not
// noted is done again.
func (d *Deliverer) note(ctx context.Context, note func(context.Context) error) {
	var failed error
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: math.MaxInt32}
	err := wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		failed = note(ctx)
		return failed == nil, nil
	})
	if err != nil {
		log.FromContext(ctx).Error(failed, "Failed to record the result of an alert's delivery; it will be delivered again")
	}
}

// after is the pause after so many attempts.
func (p pauses) after(attempts int) time.Duration {
	backoff := wait.Backoff{Duration: p.first, Factor: 2, Jitter: 0.2, Steps: attempts, Cap: longestPause}
	pause := p.first
	for range min(attempts, 32) { // long before that it no longer grows
		pause = backoff.Step()
	}
	return pause
}
