package analysis

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// huge is more than anybody spends on models in a day.
const huge = 100_000 * money.USD

// day is a day without its exceptions.
const day = 24 * time.Hour

// amounts finds limits that limit nothing, and periods that do not follow the clock that is surely
// meant.
func (f *found) amounts(spec v1alpha1.TenantBudgetSpec, path *field.Path) {
	for i, limit := range spec.Limits {
		path := path.Index(i)
		amount, ok := compile.Dollars(limit.Amount, spec.Currency)
		if length := lengthOf(limit.Period); ok && length > 0 && amount/money.Nanos(max(length, day)/time.Hour) >= huge/24 {
			f.warn(path.Child("amount"), "%s USD per %s limits nothing; is it in cents?", amount, limit.Period)
		}
		if isUTC := cmp.Or(spec.TimeZone, "UTC") == "UTC"; !isUTC && limit.Period != string(period.Day) && lengthOf(limit.Period) == day {
			f.warn(path.Child("period"), "%s begins at midnight in UTC; write Day for midnight in %s", limit.Period, spec.TimeZone)
		}
	}
}

// lengthOf is how long a period is at most, about; 0 for one that is none.
func lengthOf(name string) time.Duration {
	switch period.Kind(name) {
	case period.Minute:
		return time.Minute
	case period.Hour:
		return time.Hour
	case period.Day:
		return day
	case period.Week:
		return 7 * day
	case period.Month:
		return 31 * day
	case period.Quarter:
		return 92 * day
	case period.Year:
		return 366 * day
	}
	length, err := time.ParseDuration(name)
	if err != nil {
		return 0
	}
	return length
}

// neverReached finds limits that others keep from ever being reached.
func (f *found) neverReached(spec v1alpha1.TenantBudgetSpec, path *field.Path) {
	for i, limit := range spec.Limits {
		for j, other := range spec.Limits {
			most, times, ok := mostUnder(other, spec.Currency, limit.Period)
			amount, okToo := compile.Dollars(limit.Amount, spec.Currency)
			if i == j || !ok || !okToo || !countsAllOf(other, limit) || amount <= most || times > 1 && amount/spare < most {
				continue
			}
			f.noEffect(path.Index(i).Child("amount"), "%s USD per %s is never reached: limit %s allows at most %s USD in that time",
				amount, limit.Period, other.Name, most)
			break
		}
	}
}

// neverReachedBelow finds limits that are never reached, because a limit of a tenant above, for a
// longer period, allows less. Limits of the same period are reported with what all children have
// together.
func (f *found) neverReachedBelow(document limiterv1.Tenant, spec v1alpha1.TenantBudgetSpec, path *field.Path) {
	for i, limit := range spec.Limits {
		amount, ok := compile.Dollars(limit.Amount, spec.Currency)
		above, tenant := lowestAbove(document, lengthOf(limit.Period))
		if ok && tenant != "" && amount > above.Amount {
			f.noEffect(path.Index(i).Child("amount"), "%s USD per %s is never reached: limit %s of tenant %s allows at most %s USD per %s",
				amount, limit.Period, above.Name, tenant, above.Amount, above.Period)
		}
	}
}

// lowestAbove is the lowest limit of a tenant above that counts all calls in a longer period; the
// tenant is empty if there is none.
func lowestAbove(document limiterv1.Tenant, period time.Duration) (lowest limiterv1.MoneyLimit, tenant string) {
	for _, level := range document.Ancestors {
		for _, limit := range level.Money {
			countsAll := len(limit.Tiers)+len(limit.Models)+len(limit.Groups)+len(limit.Labels) == 0
			if level.Waives() || !countsAll || period == 0 || lengthOf(string(limit.Period)) <= period {
				continue
			}
			if tenant == "" || limit.Amount < lowest.Amount {
				lowest, tenant = limit, level.Tenant
			}
		}
	}
	return lowest, tenant
}

// countsAllOf reports whether everything that counts against a limit counts against another one,
// too.
func countsAllOf(other, limit v1alpha1.MoneyLimit) bool {
	per := cmp.Or(other.Per, v1alpha1.ScopeTenant)
	return (per == v1alpha1.ScopeTenant || per == limit.Per) && covers(other.Tiers, limit.Tiers) && covers(other.Models, limit.Models) &&
		covers(other.Groups, limit.Groups) && coversLabels(other.Labels, limit.Labels)
}

// coversLabels reports whether callers with all of labels also have all of others.
func coversLabels(others, labels v1alpha1.CallerLabels) bool {
	for name, value := range others {
		if labels[name] != value {
			return false
		}
	}
	return true
}

// covers reports whether everything that one selector selects is selected by another; a selector
// that names nothing selects all.
func covers[T comparable](other, selector []T) bool {
	if len(other) == 0 {
		return true
	}
	return len(selector) > 0 && !slices.ContainsFunc(selector, func(name T) bool { return !slices.Contains(other, name) })
}

// spare is how many times as much a limit may allow as shorter periods do: a somewhat higher limit
// leaves room for raising those for a time.
const spare = 4

// mostUnder is the most that a limit allows within a period of another length, and how many of its
// own periods that takes.
func mostUnder(limit v1alpha1.MoneyLimit, currency *v1alpha1.Currency, within string) (most money.Nanos, times int64, ok bool) {
	amount, isAmount := compile.Dollars(limit.Amount, currency)
	each, whole := lengthOf(limit.Period), lengthOf(within)
	if !isAmount || each == 0 || whole == 0 {
		return 0, 0, false
	}
	times = int64((whole + each - 1) / each)
	if !isNested(limit.Period, within) {
		times++ // a period may begin in the middle of the other
	}
	if amount > 0 && times > int64(money.Max/amount) {
		return 0, 0, false
	}
	return amount * money.Nanos(times), times, true
}

// isNested reports whether the longer one of two periods begins and ends together with one of the
// shorter.
func isNested(a, b string) bool {
	shorter, longer := a, b
	if lengthOf(a) > lengthOf(b) {
		shorter, longer = b, a
	}
	inCalendar := func(name string) bool { return slices.Contains(period.Kinds()[2:], period.Kind(name)) }
	return a == b || shorter == string(period.Day) && inCalendar(longer) ||
		shorter == string(period.Month) && inCalendar(longer) && longer != string(period.Week)
}

// neverFits finds limits that are too small for any usual call of their models, even while nothing
// is spent.
func (f *found) neverFits(document limiterv1.Tenant, spec v1alpha1.TenantBudgetSpec, catalogue Catalogue) {
	for i, limit := range spec.Limits {
		amount, ok := compile.Dollars(limit.Amount, spec.Currency)
		if !ok || amount == 0 {
			continue // refusing all calls is meant
		}
		over, all := catalogue.over(document, limit.Models, func(call usual) bool { return call.cost > amount })
		if len(over) == 0 || len(limit.Models) == 0 && 2*len(over) <= all {
			continue
		}
		cheapest := slices.MinFunc(over, func(a, b usual) int { return cmp.Compare(a.cost, b.cost) })
		path := field.NewPath("spec", "limits").Index(i).Child("amount")
		if len(over) == all {
			f.noEffect(path, "%s USD is never enough for a usual call (%s): the cheapest, of %s, may cost %s USD; raise it%s",
				amount, tokens(cheapest), cheapest.model, cheapest.cost, orLower(document))
			continue
		}
		f.warn(path, "%s USD is never enough for a usual call of %s (%s: %s USD); raise it%s",
			amount, verdict.Some(modelsIn(over), named), tokens(cheapest), cheapest.cost, orLower(document))
	}
}

// orLower names another way to make calls fit.
func orLower(document limiterv1.Tenant) string {
	if document.FitOutputTokens == 0 {
		return ", or set fit.mode LowerOutput"
	}
	return ""
}

func modelsIn(calls []usual) []string {
	var names []string
	for _, call := range calls {
		names = append(names, call.model)
	}
	return names
}

// over are the usual calls of the models, or of all if none is named, for which a limit is too
// small; all is how many such calls there are altogether.
func (c Catalogue) over(document limiterv1.Tenant, models []v1alpha1.ModelName, isOver func(usual) bool) (over []usual, all int) {
	for _, model := range c.selected(models) {
		call, ok := model.usualCall(outputOf(document, model))
		if !ok || call.cost == 0 {
			continue
		}
		all++
		if isOver(call) {
			over = append(over, call)
		}
	}
	return over, all
}

// outputOf is the least output for which money is held if a call of the model does not say how much
// it wants.
func outputOf(document limiterv1.Tenant, model listed) int64 {
	output := model.MaxOutputTokens
	for _, lower := range []int64{document.AssumedOutputTokens, document.OutputCap(limiterv1.Caller{}, model.Name), document.FitOutputTokens} {
		if lower > 0 {
			output = min(output, lower)
		}
	}
	return output
}

// bucketTooSmall finds a limit of tokens that has no room for a usual call, not even when it is
// full.
func (f *found) bucketTooSmall(path *field.Path, limit v1alpha1.RateLimit, documents []limiterv1.Tenant, catalogue Catalogue) {
	if limit.Tokens == nil {
		return
	}
	at, burst := path.Child("tokens"), *limit.Tokens
	if limit.Burst != nil {
		at, burst = path.Child("burst"), *limit.Burst
	}
	for _, document := range documents {
		over, all := catalogue.over(document, limit.Models, func(call usual) bool { return call.tokens > burst })
		if len(over) == 0 || len(limit.Models) == 0 && 2*len(over) <= all {
			continue
		}
		least := slices.MinFunc(over, func(a, b usual) int { return cmp.Compare(a.tokens, b.tokens) })
		whose := "a usual call"
		if len(over) < all {
			whose = "a usual call of " + verdict.Some(modelsIn(over), named)
		}
		f.noEffect(at, "%d at once is never enough for %s (%s): write %d or more%s", burst, whose, tokens(least), least.tokens, orLower(document))
		return
	}
}
