package admission

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// probeBound is what a probe holds: the smallest amount there is.
const probeBound money.Nanos = 1

// Probe asks the Store to admit calls that nobody makes, in the way in which calls of the
// tenant are admitted, until every limit was checked, and returns what was checked. Their
// holds are given back. They take nothing from buckets, because a real call would miss it.
// The tenant's memory of refusals is neither used nor changed.
func (a *Admitter) Probe(ctx context.Context, tenant *Tenant) (limiterv1.ProbeAnswer, error) {
	answer := limiterv1.ProbeAnswer{Forced: tenant.forcedOpen}
	if answer.Forced != "" {
		return answer, nil
	}
	for _, call := range tenant.probes() {
		asked, err := a.probe(ctx, tenant, call)
		if err != nil {
			return limiterv1.ProbeAnswer{}, err
		}
		if answer.Levels == nil {
			for _, l := range tenant.levels {
				answer.Levels = append(answer.Levels, limiterv1.ProbedLevel{Tenant: l.Tenant, Shadow: l.Waives()})
			}
		}
		for _, account := range asked {
			noteAsked(answer.Levels, account)
		}
	}
	return answer, nil
}

// noteAsked adds the checks of an account that are not there yet.
func noteAsked(levels []limiterv1.ProbedLevel, account Account) {
	i := slices.IndexFunc(levels, func(l limiterv1.ProbedLevel) bool { return l.Tenant == account.Tenant })
	level := &levels[i]
	for _, check := range account.Money {
		if !slices.ContainsFunc(level.Money, func(p limiterv1.ProbedMoney) bool { return p.Name == check.Limit.Name }) {
			level.Money = append(level.Money, check.probed())
		}
	}
	for _, check := range account.Buckets {
		if !slices.ContainsFunc(level.Rates, func(r limiterv1.RateLimit) bool { return r.Name == check.Limit.Name }) {
			level.Rates = append(level.Rates, check.Limit)
		}
	}
}

func (c MoneyCheck) probed() limiterv1.ProbedMoney {
	probed := limiterv1.ProbedMoney{MoneyLimit: c.Limit, Rungs: c.Rungs, ResetsAt: c.Span.End, From: c.Stretch.Start, Until: c.Stretch.End}
	if c.Trip != Never {
		probed.Trip = &c.Trip
	}
	if c.Downgrade != Never {
		probed.Downgrade = &c.Downgrade
	}
	return probed
}

// probes are calls such that each limit counts at least one of them. Each has a user and a
// key of its own, which have no other calls.
func (t *Tenant) probes() []Request {
	selectors := t.selectors()
	var calls []Request
	for {
		var by limiterv1.Caller
		var model string
		isSelected := false
		// One call satisfies as many selectors as go together. Those that name no
		// tier or model leave the choice to the others.
		for _, s := range selectors {
			with, withModel := joined(by, s), orFirst(model, s.Models)
			if s.Selects(with, withModel) {
				by, model, isSelected = with, withModel, true
			}
		}
		if !isSelected && len(calls) > 0 {
			return calls
		}
		calls = append(calls, t.newProbe(by, model))
		selectors = slices.DeleteFunc(selectors, func(s limiterv1.Selector) bool { return s.Selects(by, model) })
	}
}

// joined is the caller with what the selector asks for, where earlier selectors left a choice.
func joined(by limiterv1.Caller, s limiterv1.Selector) limiterv1.Caller {
	by.Tier = orFirst(by.Tier, s.Tiers)
	if len(s.Groups) > 0 && !slices.ContainsFunc(s.Groups, func(group string) bool { return slices.Contains(by.Groups, group) }) {
		by.Groups = append(slices.Clone(by.Groups), s.Groups[0])
	}
	if len(s.Labels) > 0 {
		labels := maps.Clone(s.Labels)
		maps.Copy(labels, by.Labels)
		by.Labels = labels
	}
	return by
}

func (t *Tenant) selectors() []limiterv1.Selector {
	var selectors []limiterv1.Selector
	for _, l := range t.levels {
		for _, limit := range l.Money {
			selectors = append(selectors, limit.Selector)
		}
		for _, limit := range l.Rates {
			selectors = append(selectors, limit.Selector)
		}
	}
	return selectors
}

func orFirst(chosen string, values []string) string {
	if chosen == "" && len(values) > 0 {
		return values[0]
	}
	return chosen
}

func (t *Tenant) newProbe(by limiterv1.Caller, model string) Request {
	call := Request{ID: "probe:" + uuid.NewString(), Model: model, Bound: probeBound, probe: true}
	call.Subject = Subject{
		Tenant: t.Name(), User: call.ID, Tier: by.Tier, Credential: call.ID,
		Groups: append(slices.Clone(by.Groups), call.ID), Labels: by.Labels, // a limit per group may name no group
	}
	call.Entry.OpenCall = t.openCall(call)
	call.Entry.Probe = true
	return call
}

// probe asks about one call, and returns what was asked.
func (a *Admitter) probe(ctx context.Context, tenant *Tenant, call Request) ([]Account, error) {
	d, err := a.decide(ctx, tenant, call, a.open.add)
	if errors.Is(err, ErrRungChanged) {
		call.Downgraded = true
		d, err = a.decide(ctx, tenant, call, a.open.add)
	}
	if err != nil || d.Hold == nil {
		return d.asked, err
	}
	defer d.Hold.Done()
	store := d.Hold.store
	err = d.Hold.giveBack(ctx)
	if err != nil && !errors.Is(err, ErrFenced) {
		a.abandoned.add(Hold{store: store, request: d.Hold.request})
		return nil, fmt.Errorf("release the hold of a probe: %w", err)
	}
	own := []limiterv1.Owner{{User: call.ID}, {Group: call.ID}, {Key: call.ID}}
	_ = store.ForgetOwners(ctx, d.Hold.request.Root, tenant.Name(), own...) // after an error, the counters expire by themselves
	return d.asked, nil
}
