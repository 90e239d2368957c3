package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/recovery"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

const (
	// round is how long it takes to audit all tenants, if there are many, and shortest is the
	// shortest pause between two tenants, however many there are.
	round    = 10 * time.Minute
	shortest = 50 * time.Millisecond
	// timeout bounds one audit.
	timeout = time.Minute
	// confirmAfter is the pause before a difference is looked at again: when a call ends late, the
	// ledger has it a moment before its tenants are recounted.
	confirmAfter = time.Second
	// mendAgain is the least time between two recounts of a tenant because of findings.
	mendAgain = time.Minute
	// mostOwners is how many users, groups and keys of a tenant are audited at a time. The next
	// audit takes others.
	mostOwners = 500
)

// DefaultPause is the longest pause between the audits of two tenants, unless another is
// chosen.
const DefaultPause = 5 * time.Second

// Documents are what tenants have in force.
type Documents interface {
	TenantNames(ctx context.Context) ([]string, error)
	Tenant(ctx context.Context, name string) (limiterv1.Tenant, bool, error)
}

// Counters are what is counted.
type Counters interface {
	Now(ctx context.Context, root string) (time.Time, error)
	Snapshot(ctx context.Context, root, tenant string, limits []limiterv1.MoneyLimit, owners []limiterv1.Owner) (limiterstore.Snapshot, error)
	Distrust(ctx context.Context, root, tenant string) error
}

// KeptFindings is where findings are kept.
type KeptFindings interface {
	All(ctx context.Context) (map[string][]byte, error)
	Keep(ctx context.Context, tenant string, findings []byte) error
}

// LedgerReader is what is on record.
type LedgerReader interface {
	Read(ctx context.Context, read func(budgetstore.LedgerSnapshot) error) error
	LastAmended(ctx context.Context, tenant string, since time.Time) (time.Time, error)
	LastElsewhere(ctx context.Context, tenant, root string, since time.Time) (time.Time, error)
	UsedOn(ctx context.Context, tenant string, day time.Time) (recorded, summed budgetstore.Used, err error)
}

// Summaries are where the Auditor keeps how all tenants compare, for readers that may not see the
// findings.
type Summaries interface {
	Keep(ctx context.Context, summary budgetstore.AuditSummary) error
}

// Auditor audits one tenant after another.
type Auditor struct {
	summaries Summaries
	// summary is the last one that was kept, and tenants how many there are.
	summary budgetstore.AuditSummary
	tenants int

	documents Documents
	counters  Counters
	kept      KeptFindings
	ledger    LedgerReader
	recorder  *events.Recorder
	// longest is the pause between two audits where there are few tenants.
	longest time.Duration
	// known are the findings that were told, by tenant; nil before they were read.
	known map[string][]Finding
	// unseen is, by tenant, the lastUnseen for which it was recounted.
	unseen map[string]time.Time
	// mended is, by tenant, when it was last recounted because of a finding.
	mended map[string]time.Time
}

// New makes an Auditor whose pauses between two tenants are pause at most; zero is DefaultPause.
func New(documents Documents, counters Counters, kept KeptFindings, ledger LedgerReader, recorder *events.Recorder, pause time.Duration) *Auditor {
	return &Auditor{
		documents: documents, counters: counters, kept: kept, ledger: ledger, recorder: recorder, longest: cmp.Or(pause, DefaultPause),
		unseen: map[string]time.Time{}, mended: map[string]time.Time{},
	}
}

// Summarizing has the auditor keep summaries, too.
func (a *Auditor) Summarizing(summaries Summaries) *Auditor {
	a.summaries = summaries
	return a
}

// NeedLeaderElection keeps all but the leader out.
func (a *Auditor) NeedLeaderElection() bool { return true }

// Start audits until ctx ends.
func (a *Auditor) Start(ctx context.Context) error {
	for {
		tenants, err := a.begin(ctx)
		if err != nil {
			log.FromContext(ctx).V(1).Info("Failed to begin a round of audits", "error", err.Error())
		}
		pause := a.longest
		if len(tenants) > 0 {
			pause = min(max(round/time.Duration(len(tenants)), shortest), a.longest)
		}
		a.tenants = len(tenants)
		rand.Shuffle(len(tenants), func(i, j int) { tenants[i], tenants[j] = tenants[j], tenants[i] })
		for _, tenant := range append(tenants, "") {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
			if tenant != "" {
				a.note(ctx, tenant, a.Audit(ctx, tenant))
			}
			a.summarize(ctx, tenant == "" && err == nil)
		}
	}
}

// begin returns the tenants of a round, and drops the findings about tenants that are gone.
func (a *Auditor) begin(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := a.recall(ctx); err != nil {
		return nil, err
	}
	tenants, err := a.documents.TenantNames(ctx)
	if err != nil {
		return nil, err
	}
	for tenant := range maps.Clone(a.known) {
		if !slices.Contains(tenants, tenant) {
			err = errors.Join(err, a.keep(ctx, tenant, nil))
		}
	}
	return tenants, err
}

func (a *Auditor) note(ctx context.Context, tenant string, err error) {
	switch {
	case err == nil && (hasDrift(a.known[tenant]) || hasWrongSums(a.known[tenant])):
		audits.WithLabelValues("drift").Inc()
	case err == nil:
		audits.WithLabelValues("clean").Inc()
	case errors.Is(err, limiterstore.ErrBusy), errors.Is(err, limiterstore.ErrNotValid):
		audits.WithLabelValues("skipped").Inc()
	case ctx.Err() == nil:
		audits.WithLabelValues("failed").Inc()
		log.FromContext(ctx).V(1).Info("Failed to audit a tenant", "tenant", tenant, "error", err.Error())
	}
}

// Audit audits a tenant, and tells what is new.
func (a *Auditor) Audit(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := a.recall(ctx); err != nil {
		return err
	}
	document, found, err := a.documents.Tenant(ctx, name)
	if err != nil {
		return err
	}
	if !found {
		return a.keep(ctx, name, nil)
	}
	findings, estimated, err := a.look(ctx, document)
	if err == nil && len(a.fresh(document.Tenant, findings)) > 0 {
		findings, err = a.confirm(ctx, document, findings, estimated)
	}
	if err != nil {
		return err
	}
	// Counters come first, and what is known of sums stays: those of a tenant with very many
	// calls may take too long to compare.
	if err := a.recordDrift(ctx, document, slices.Concat(findings, ofSums(a.known[name]))); err != nil {
		return err
	}
	if err := a.mend(ctx, document, findings); err != nil {
		return err
	}
	sums, err := a.lookAtSums(ctx, name, time.Now())
	if err != nil {
		return err
	}
	return a.recordDrift(ctx, document, slices.Concat(findings, sums))
}

// mend has a tenant recounted if a finding calls for it, because nothing else would correct its
// counters. The tenant is suspended while it is counted, so that nothing is admitted or released
// meanwhile.
func (a *Auditor) mend(ctx context.Context, document limiterv1.Tenant, findings []Finding) error {
	if !slices.ContainsFunc(findings, Finding.isMended) || time.Since(a.mended[document.Tenant]) < mendAgain {
		return nil
	}
	log.FromContext(ctx).Info("Recounting a tenant: its counters differ from the ledger and its open calls", "tenant", document.Tenant)
	if err := a.counters.Distrust(ctx, document.Root(), document.Tenant); err != nil {
		return err
	}
	a.mended[document.Tenant] = time.Now()
	return nil
}

// confirm looks again at a difference that was not there before. If the difference has an
// explanation other than a fault, confirm has the tenant recounted instead, and returns
// limiterstore.ErrNotValid.
func (a *Auditor) confirm(ctx context.Context, document limiterv1.Tenant, findings []Finding, estimated bool) ([]Finding, error) {
	if hasDrift(findings) {
		why, unseen, err := a.explained(ctx, document, findings, estimated)
		if err != nil {
			return nil, err
		}
		if why != "" {
			if err := a.counters.Distrust(ctx, document.Root(), document.Tenant); err != nil {
				return nil, err
			}
			a.unseen[document.Tenant] = unseen
			log.FromContext(ctx).Info("Recounting a tenant: "+why, "tenant", document.Tenant)
			return nil, fmt.Errorf("tenant %s: %w: %s", document.Tenant, limiterstore.ErrNotValid, why)
		}
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(confirmAfter):
	}
	again, _, err := a.look(ctx, document)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(again, func(f Finding) bool {
		return !slices.ContainsFunc(findings, func(found Finding) bool { return found.key() == f.key() })
	}), nil
}

// explained says why the counters differ from the ledger without a fault; empty if they should
// not. What the counters could not see explains a difference only once: unseen is until when that is
// explained. Estimates explain counters that say too much, but not counters that say too little.
func (a *Auditor) explained(
	ctx context.Context, document limiterv1.Tenant, findings []Finding, estimated bool,
) (why string, unseen time.Time, err error) {
	oldest := slices.MinFunc(findings, func(a, b Finding) int { return a.Start.Compare(b.Start) }).Start
	last, err := a.lastUnseen(ctx, document, oldest)
	if err != nil {
		return "", time.Time{}, err
	}
	unseen = a.unseen[document.Tenant]
	isNew := last.After(unseen)
	if isNew {
		unseen = last
	}
	switch {
	case estimated && !slices.ContainsFunc(findings, Finding.isMended):
		return "its counters still count calls that have ended, at their bound", unseen, nil
	case isNew:
		return "the ledger has calls that its counters could not see", unseen, nil
	}
	return "", unseen, nil
}

// lastUnseen is when the ledger last got something that the tenant's counters could not see.
// Either an enforcer amended a call and could not have the tenant recounted, because it died
// or Redis was out of its reach; or a call ended in a budget tree that the tenant has left.
func (a *Auditor) lastUnseen(ctx context.Context, document limiterv1.Tenant, since time.Time) (time.Time, error) {
	amended, err := a.ledger.LastAmended(ctx, document.Tenant, since)
	if err != nil {
		return time.Time{}, err
	}
	elsewhere, err := a.ledger.LastElsewhere(ctx, document.Tenant, document.Root(), since)
	if err != nil {
		return time.Time{}, err
	}
	if elsewhere.After(amended) {
		return elsewhere, nil
	}
	return amended, nil
}

// fresh are the findings that were not told before.
func (a *Auditor) fresh(tenant string, findings []Finding) (fresh []Finding) {
	for _, finding := range findings {
		if !slices.ContainsFunc(a.known[tenant], func(f Finding) bool { return f.key() == finding.key() }) {
			fresh = append(fresh, finding)
		}
	}
	return fresh
}

// look reads the ledger, then the limiter, then the ledger again, and compares. estimated is
// whether the counters may say too much; see limiterv1.EstimatedField.
func (a *Auditor) look(ctx context.Context, document limiterv1.Tenant) (findings []Finding, estimated bool, err error) {
	var before, after expected
	var snapshot limiterstore.Snapshot
	err = a.ledger.Read(ctx, func(ledger budgetstore.LedgerSnapshot) error {
		owners, err := a.owners(ctx, ledger, document)
		if err != nil {
			return err
		}
		if snapshot, err = a.counters.Snapshot(ctx, document.Root(), document.Tenant, document.Money, owners); err != nil {
			return err
		}
		before.least, before.most, err = recovery.Expect(ctx, ledger, document, snapshot.Formers, snapshot.Calls, snapshot.Now)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	err = a.ledger.Read(ctx, func(ledger budgetstore.LedgerSnapshot) error {
		after.least, after.most, err = recovery.Expect(ctx, ledger, document, snapshot.Formers, snapshot.Calls, snapshot.Now)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return compare(document.Level, snapshot, before, after), snapshot.Estimated, nil
}

// owners returns some of the users, groups and keys of the tenant that the ledger knows. It fixes
// the moment at which the ledger is read.
func (a *Auditor) owners(ctx context.Context, ledger budgetstore.LedgerSnapshot, document limiterv1.Tenant) ([]limiterv1.Owner, error) {
	if err := ledger.Pin(ctx); err != nil {
		return nil, err
	}
	isOfTenant := func(l limiterv1.MoneyLimit) bool { return l.Per == limiterv1.PerTenant }
	if document.Money = slices.DeleteFunc(slices.Clone(document.Money), isOfTenant); len(document.Money) == 0 {
		return nil, nil
	}
	now, err := a.counters.Now(ctx, document.Root())
	if err != nil {
		return nil, err
	}
	recorded, _, err := recovery.Expect(ctx, ledger, document, nil, nil, now)
	if err != nil {
		return nil, err
	}
	delete(recorded, limiterv1.Owner{})
	owners := slices.Collect(maps.Keys(recorded))
	rand.Shuffle(len(owners), func(i, j int) { owners[i], owners[j] = owners[j], owners[i] })
	return owners[:min(len(owners), mostOwners)], nil
}

// recordDrift records Events of findings that were not there before, and keeps the
// findings, so that another manager does not record them again.
func (a *Auditor) recordDrift(ctx context.Context, document limiterv1.Tenant, findings []Finding) error {
	fresh := a.fresh(document.Tenant, findings)
	if len(findings) == 0 && len(a.known[document.Tenant]) == 0 {
		return nil
	}
	if len(fresh) > 0 && len(document.Sources) > 0 {
		if err := a.recorder.Record(ctx, aboutBudget(document.Sources[0]), []events.Event{driftFound(fresh)}); err != nil {
			return err
		}
	}
	if err := a.keep(ctx, document.Tenant, findings); err != nil {
		return fmt.Errorf("store the findings of tenant %s: %w", document.Tenant, err)
	}
	return nil
}
