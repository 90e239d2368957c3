package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// The dimensions of usage that spending does not have.
const (
	ByHour       Dimension = "hour"
	ByWeek       Dimension = "week"
	ByGroup      Dimension = "group"
	ByLabel      Dimension = "label"
	ByDecision   Dimension = "decision"
	ByOutcome    Dimension = "outcome"
	ByCredential Dimension = "credential"
)

// UsageDimensions are the dimensions that usage is grouped by.
func UsageDimensions() []Dimension {
	return []Dimension{
		ByHour, ByDay, ByWeek, ByMonth, ByTenant, ByUser, ByGroup, ByLabel, ByTier, ByModel, ByProvider, ByEndpoint,
		ByDecision, ByOutcome, ByCredential,
	}
}

// Refused is the decision of calls that a limit refused. Their outcome is the reason.
const Refused ledgerv1.Decision = "Refused"

const (
	// MostBuckets is how many hours, days, weeks or months there may be between From and To of
	// a query that groups by them.
	MostBuckets = 1000
	// DefaultRows is how many rows are returned unless a query says otherwise.
	DefaultRows = 1000
	// MostRows is how many rows are returned at most.
	MostRows = 10_000
	// MostTop is how many values Top may have.
	MostTop = 50
	// Grain divides From and To of a query of usage: hours and days of all time zones begin and end at
	// multiples of it.
	Grain = 15 * time.Minute
)

// As says for whom rows are read. The database enforces it: nothing else can be read.
type As struct {
	// Tenant is the tenant whose rows are read.
	Tenant string
	// User is the only user whose rows are read, unless Admin is set.
	User string
	// Admin is whether the rows of all users of the tenant are read, and the sums of the tenants below
	// it, which belong to no user.
	Admin bool
}

func (as As) validate() error {
	switch {
	case as.Tenant == "":
		return invalid("no tenant to read for")
	case as.User == "" && !as.Admin:
		return invalid("neither a user nor an admin to read for")
	}
	return nil
}

// UsageQuery says which calls are added up, and how.
type UsageQuery struct {
	// From and To bound when calls were admitted, or refused: from From on and before To. Both
	// are multiples of Grain.
	From, To time.Time
	// Zone has the calendar of ByHour, ByDay, ByWeek and ByMonth; nil is UTC.
	Zone *time.Location
	// By are the dimensions, two at most; none for the total alone.
	By []Dimension
	// Label is the name of the label that ByLabel groups by.
	Label string
	// Tenants are the tenants whose calls are added up: the reader's own and, for an admin, those
	// below it, by ByTenant. Users, groups, labels and credentials of the latter are not shown.
	// Empty means the reader's own.
	Tenants []string
	Where   Filter
	// Top is how many values of the dimension that is not of time get rows of their own: those with
	// the greatest cost between From and To. If only one other value is left, it gets rows, too.
	// Usage.Rest has the sums of all others. 0 means all values. Top needs a dimension of time and
	// another one, and then there is no Limit.
	Top int
	// Limit is how many rows are returned at most; 0 is DefaultRows. If there are more, those with the
	// greatest cost are returned, and Usage.Others has the sum of the others.
	Limit int

	// only are the values of the dimension that is not of time that are read; nil is all.
	only []string
}

// Filter selects calls. A call must have one of the values of each field; an empty field selects all.
type Filter struct {
	Users, Tiers, Models, Providers, Endpoints, Decisions, Outcomes, Credentials []string
	// Groups selects the calls that were made in any of the groups.
	Groups []string
	// Labels are labels that a call must have, all of them.
	Labels map[string]string
}

// Tokens are how many tokens of each kind were used. Output includes those of Reasoning.
type Tokens struct {
	Input            int64 `json:"input"`
	CachedInput      int64 `json:"cachedInput"`
	CacheWrite5m     int64 `json:"cacheWrite5m"`
	CacheWrite1h     int64 `json:"cacheWrite1h"`
	AudioInput       int64 `json:"audioInput"`
	CachedAudioInput int64 `json:"cachedAudioInput"`
	Output           int64 `json:"output"`
	AudioOutput      int64 `json:"audioOutput"`
	ImageOutput      int64 `json:"imageOutput"`
	Reasoning        int64 `json:"reasoning"`
}

// Sums are sums over calls.
type Sums struct {
	// Calls are the calls that were made, and Refused those that a limit refused, whatever answered in
	// their place.
	Calls, Refused int64
	Tokens         Tokens
	// Cost is what the calls cost, and Held what was held for them.
	Cost, Held money.Nanos
	// Estimated is the part of Cost that is not what the provider reported.
	Estimated money.Nanos
	// SavedByCache is the most that the calls that the cache answered can have cost.
	// SavedByDowngrade and SavedByFallback are how much more the calls would have cost, for the same
	// tokens, with the model that they asked for.
	SavedByCache, SavedByDowngrade, SavedByFallback money.Nanos
}

// Add adds other sums.
func (s *Sums) Add(o Sums) {
	to, from := s.fields(), o.fields()
	for i := range to {
		*to[i] += *from[i]
	}
}

// subtract subtracts other sums, which must be a part of these.
func (s *Sums) subtract(o Sums) {
	from, what := s.fields(), o.fields()
	for i := range from {
		*from[i] -= *what[i]
	}
}

// fields are the sums in the order of sumColumns.
func (s *Sums) fields() []*int64 {
	t := &s.Tokens
	return []*int64{
		&s.Calls, &s.Refused, &t.Input, &t.CachedInput, &t.CacheWrite5m, &t.CacheWrite1h, &t.AudioInput, &t.CachedAudioInput,
		&t.Output, &t.AudioOutput, &t.ImageOutput, &t.Reasoning, (*int64)(&s.Cost), (*int64)(&s.Held), (*int64)(&s.Estimated),
		(*int64)(&s.SavedByCache), (*int64)(&s.SavedByDowngrade), (*int64)(&s.SavedByFallback),
	}
}

// SumNames are the names of sums as a table has them for people, and Texts the sums in this order:
// money in US dollars, and all else as a number.
func SumNames() []string {
	names := make([]string, len(sumColumns))
	for i, column := range sumColumns {
		names[i] = column
		if amount, isMoney := strings.CutSuffix(column, "_nanos"); isMoney {
			names[i] = amount + "_usd"
		}
	}
	return names
}

// Texts are the sums in the order of SumNames.
func (s Sums) Texts() []string {
	texts := make([]string, len(sumColumns))
	for i, field := range s.fields() {
		texts[i] = strconv.FormatInt(*field, 10)
		if strings.HasSuffix(sumColumns[i], "_nanos") {
			texts[i] = money.Nanos(*field).String()
		}
	}
	return texts
}

// UsageRow is the sums over calls with the same values of all dimensions.
type UsageRow struct {
	// Values are those of the dimensions, in their order. The value of an hour is its beginning,
	// such as "2026-10-25T02:00:00+02:00", of a day "2026-10-25", of a week its Monday, of a
	// month "2026-10". The value of a group is all groups of the caller, as "a,b", so that each
	// call is in one row.
	Values []string
	// Start and End bound the row's hour, day, week or month, as far as it lies between From and To of
	// the query; zero if the query does not group by time.
	Start, End time.Time
	Sums       Sums
}

// Usage are sums over calls.
type Usage struct {
	// Rows are in the order of their values, times first to last.
	Rows []UsageRow
	// Others is the sum of the OtherRows rows beyond the limit.
	Others    Sums
	OtherRows int64
	// Rest are the sums of the RestValues values that are not in Top, by time, with an empty value of the
	// other dimension.
	Rest       []UsageRow
	RestValues int64
	// Total is the sum of Rows, Others and Rest.
	Total Sums
}

// ErrQuery means that a query of usage, or of calls, is invalid.
var ErrQuery = errors.New("invalid query")

// invalid is an ErrQuery that says why.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrQuery, fmt.Sprintf(format, args...))
}

// IncompleteError means that there are no sums yet of calls from before a moment. The manager is still
// making sums of calls from before it kept any, or of a tenant whose time zone was changed, the latest
// first.
type IncompleteError struct {
	// Since is the moment; zero if there are no sums at all yet.
	Since time.Time
}

func (e *IncompleteError) Error() string {
	if e.Since.IsZero() {
		return "the calls of the ledger are still being added up: try again in a minute"
	}
	return fmt.Sprintf("calls from before %s are still being added up: ask for later ones, or try again in a minute", e.Since.UTC().Format(time.RFC3339))
}

// Usage adds up calls. It fails with an ErrQuery if the query is invalid, and with an *IncompleteError if
// there are no sums yet.
func (r *Reader) Usage(ctx context.Context, as As, query UsageQuery) (Usage, error) {
	if err := query.validate(as); err != nil {
		return Usage{}, err
	}
	var usage Usage
	err := r.readAtOnce(ctx, as, func(tx pgx.Tx) (err error) {
		if query.Top > 0 {
			usage, err = readTop(ctx, tx, as, query)
		} else {
			usage, err = readUsage(ctx, tx, as, query)
		}
		return err
	})
	if err != nil {
		return Usage{}, fmt.Errorf("add up the usage of tenant %s: %w", as.Tenant, err)
	}
	return usage, nil
}

func (q UsageQuery) validate(as As) error {
	if err := as.validate(); err != nil {
		return err
	}
	switch {
	case !q.From.Before(q.To):
		return invalid("to (%s) must be after from (%s)", q.To.Format(time.RFC3339), q.From.Format(time.RFC3339))
	case !isOnGrain(q.From) || !isOnGrain(q.To):
		return invalid("from and to must be whole quarters of an hour")
	case len(q.By) > 2 || len(q.By) == 2 && q.By[0] == q.By[1]:
		return invalid("usage is grouped by two different dimensions at most")
	case slices.Contains(q.By, ByLabel) != (q.Label != ""):
		return invalid("the name of a label is needed to group by label, and only then")
	case q.Limit < 0 || q.Limit > MostRows:
		return invalid("limit must be between 1 and %d", MostRows)
	case q.Top < 0 || q.Top > MostTop:
		return invalid("top must be between 1 and %d", MostTop)
	case q.Top > 0 && (len(q.By) != 2 || !slices.ContainsFunc(q.By, isTime)):
		return invalid("top requires one of hour, day, week and month, and one other dimension, to group by")
	case !as.Admin && slices.ContainsFunc(q.Tenants, func(t string) bool { return t != as.Tenant }):
		return invalid("a user reads their own calls, not those of other tenants")
	}
	if q.summing(as).ofUsers() && slices.ContainsFunc(q.Tenants, func(t string) bool { return t != as.Tenant }) {
		return invalid("of tenants below there are sums over all users only: not by user, group, label or credential, and none of these selected")
	}
	return q.validateDimensions()
}

func (q UsageQuery) validateDimensions() error {
	times := 0
	for _, d := range q.By {
		if !slices.Contains(UsageDimensions(), d) {
			return invalid("usage cannot be grouped by %q", d)
		}
		if isTime(d) {
			times++
		}
	}
	if times > 1 {
		return invalid("usage is grouped by one of hour, day, week and month")
	}
	return nil
}

func isOnGrain(t time.Time) bool { return t.UnixNano()%int64(Grain) == 0 }

func isTime(d Dimension) bool {
	return d == ByHour || d == ByDay || d == ByWeek || d == ByMonth
}
