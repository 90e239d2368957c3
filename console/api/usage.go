package api

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/history"
)

// UsageInput says which usage is added up, and how.
type UsageInput struct {
	TenantParameter
	SpanParameters
	FilterParameters
	FormatParameter
	By    []string `query:"by" maxItems:"2" uniqueItems:"true" enum:"hour,day,week,month,tenant,user,group,label,tier,model,provider,endpoint,decision,outcome,credential" example:"day,model" doc:"What calls are grouped by: one or two, separated by a comma; of hour, day, week and month one. Default: nothing, the total alone."`
	Label string   `query:"label" maxLength:"63" doc:"The name of the label that by=label groups by."`
	Below bool     `query:"below" doc:"Whether the tenants below are added in; of these there are no users, groups, labels and credentials. For admins."`
	Top   int      `query:"top" minimum:"1" maximum:"50" doc:"With by of one of hour, day, week and month and of another: how many values of the other have rows, those of the greatest cost between from and to. What all others come to is in rest, by time; a single other one has rows, too. There is no limit then. Default: all."`
	Limit int      `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"How many rows there are at most: of more, those of the greatest cost. The others are summed up in others."`
}

// FilterParameters select calls. A call must have one of the values of each.
type FilterParameters struct {
	User       []string `query:"user" maxItems:"50" doc:"Calls of these users, separated by commas. Only admins may name others than themselves."`
	Group      []string `query:"group" maxItems:"50" doc:"Calls that were made in any of these groups."`
	Tier       []string `query:"tier" maxItems:"50" doc:"Calls of these tiers."`
	Model      []string `query:"model" maxItems:"50" doc:"Calls of these models, as ModelProviders name them."`
	Provider   []string `query:"provider" maxItems:"50" doc:"Calls of these ModelProviders."`
	Endpoint   []string `query:"endpoint" maxItems:"50" doc:"Calls of these endpoints."`
	Decision   []string `query:"decision" maxItems:"50" doc:"Calls that were admitted so, or Refused."`
	Outcome    []string `query:"outcome" maxItems:"50" doc:"Calls that ended so; of refused ones, the reason."`
	Credential []string `query:"credential" maxItems:"50" doc:"Calls with these APIKeys, as namespace/name."`
	Labels     []string `query:"labels" maxItems:"10" example:"project=apollo" doc:"Calls that have all of these labels, each as name=value."`
}

// Usage are sums over calls.
type Usage struct {
	Tenant   string    `json:"tenant"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to" doc:"The first moment that is not counted any more."`
	TimeZone string    `json:"timeZone" doc:"The zone whose hours, days, weeks and months these are."`
	AsOf     time.Time `json:"asOf" doc:"When this was read. The ledger has a call a moment after it has ended."`
	By       []string  `json:"by" nullable:"false" doc:"What the rows are grouped by."`
	Total    Sums      `json:"total" doc:"The sum of all rows, of others and of rest."`
	// Rows are named by what they are grouped by.
	Rows       []UsageRow `json:"rows" nullable:"false"`
	Others     *Sums      `json:"others,omitempty" doc:"The sum of the rows beyond limit. Absent: there are no more."`
	OtherRows  int64      `json:"otherRows,omitempty" doc:"How many rows others sums up."`
	Rest       []UsageRow `json:"rest,omitempty" doc:"With top: by time, the sums of all values that are not of the top. Absent: there are no more."`
	RestValues int64      `json:"restValues,omitempty" doc:"How many values rest sums up."`
}

// UsageRow is the sums over calls with the same values of what is grouped by.
type UsageRow struct {
	Values map[string]string `json:"values" doc:"What the calls have in common, by the names in by: of an hour when it began, of a week its Monday, of a group all groups of the caller, separated by commas."`
	Start  *time.Time        `json:"start,omitempty" doc:"When the hour, day, week or month begins, or from, if that is later. Absent: the rows are not grouped by time."`
	End    *time.Time        `json:"end,omitempty" doc:"When it ends, or to, if that is earlier."`
	Sums
}

// Sums are sums over calls.
type Sums struct {
	Calls            int64  `json:"calls" doc:"How many calls were made."`
	Refused          int64  `json:"refused" doc:"How many calls a limit refused, whatever answered in their place."`
	Tokens           Tokens `json:"tokens"`
	Cost             Money  `json:"cost" doc:"What the calls cost."`
	Held             Money  `json:"held" doc:"What was held for them: the most that they could cost."`
	Estimated        Money  `json:"estimated" doc:"The part of cost that is not what the provider reported: a bound, or at the prices of another model."`
	SavedByCache     Money  `json:"savedByCache" doc:"The most that the calls can have cost for which the cache answered."`
	SavedByDowngrade Money  `json:"savedByDowngrade" doc:"What downgraded calls would have cost more with the model that they asked for."`
	SavedByFallback  Money  `json:"savedByFallback" doc:"The same of calls that a fallback answered with a cheaper model."`

	of history.Sums
}

// Tokens are how many tokens were used, by kind.
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
	Reasoning        int64 `json:"reasoning" doc:"Contained in output."`
}

func sumsOf(s history.Sums) Sums {
	return Sums{
		Calls: s.Calls, Refused: s.Refused, Tokens: Tokens(s.Tokens), Cost: usd(s.Cost), Held: usd(s.Held), Estimated: usd(s.Estimated),
		SavedByCache: usd(s.SavedByCache), SavedByDowngrade: usd(s.SavedByDowngrade), SavedByFallback: usd(s.SavedByFallback), of: s,
	}
}

func (a *api) registerUsage(routes huma.API) {
	handle(a, routes, get("usage", "/usage", "Usage", "What was used",
		"Calls, tokens and money, grouped by one or two properties of the calls. A user sees their own calls, an admin those of the tenant, "+
			"and an admin of a tenant above sums of it that name no user, group, label or credential. A call counts when it was admitted, or refused."),
		a.usage)
}

func (a *api) usage(ctx context.Context, who auth.Who, in *UsageInput) (*Usage, error) {
	v, err := a.view(ctx, who, in.Tenant, auth.Above)
	if err != nil {
		return nil, err
	}
	query, err := in.query(v, a.Now())
	if err != nil {
		return nil, err
	}
	if in.Below {
		if query.Tenants, err = a.withBelow(ctx, v); err != nil {
			return nil, err
		}
	}
	asOf := a.Now()
	found, err := a.Ledger.Usage(ctx, v.as, query)
	if err != nil {
		return nil, err
	}
	usage := &Usage{
		Tenant: v.tenant, From: query.From.In(v.zone), To: query.To.In(v.zone), TimeZone: v.zone.String(), AsOf: asOf.UTC(),
		By: append([]string{}, in.By...), Total: sumsOf(found.Total), Rows: make([]UsageRow, 0, len(found.Rows)), OtherRows: found.OtherRows, RestValues: found.RestValues,
	}
	for _, row := range found.Rows {
		usage.Rows = append(usage.Rows, rowOf(row, in.By, v.zone))
	}
	for _, row := range found.Rest {
		usage.Rest = append(usage.Rest, restOf(row, in.By, v.zone))
	}
	if found.OtherRows > 0 {
		others := sumsOf(found.Others)
		usage.Others = &others
	}
	return usage, nil
}

func rowOf(row history.UsageRow, by []string, zone *time.Location) UsageRow {
	r := UsageRow{Values: make(map[string]string, len(by)), Sums: sumsOf(row.Sums)}
	for i, name := range by {
		r.Values[name] = row.Values[i]
	}
	if !row.Start.IsZero() {
		start, end := row.Start.In(zone), row.End.In(zone)
		r.Start, r.End = &start, &end
	}
	return r
}

// restOf is the row of all values of a dimension that have no row of their own; it has no value itself.
func restOf(row history.UsageRow, by []string, zone *time.Location) UsageRow {
	r := rowOf(row, by, zone)
	maps.DeleteFunc(r.Values, func(name, _ string) bool { return !isOfTime(name) })
	return r
}

// isOfTime reports whether a dimension is one of time.
func isOfTime(dimension string) bool {
	return slices.Contains([]string{"hour", "day", "week", "month"}, dimension)
}

// withBelow are the tenant and all below it.
func (a *api) withBelow(ctx context.Context, v view) ([]string, error) {
	if v.role == auth.Member {
		return nil, forbidden("you may see only your own calls: below is for admins")
	}
	tree, err := a.Cluster.Tree(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Collect(tree.From(v.tenant)), nil
}

func (in *UsageInput) query(v view, now time.Time) (q history.UsageQuery, err error) {
	if q.From, q.To, err = in.span(v.zone, now); err != nil {
		return q, err
	}
	if q.Where, err = in.filter(v); err != nil {
		return q, err
	}
	q.Zone, q.Label, q.Limit, q.Top = v.zone, in.Label, in.Limit, in.Top
	for _, name := range in.By {
		q.By = append(q.By, history.Dimension(name))
	}
	if v.role == auth.Above {
		q.Tenants = []string{v.tenant}
		if at := slices.IndexFunc(in.By, isOfPeople); at >= 0 {
			return q, invalid("query.by", "cannot have "+in.By[at]+": this tenant is below yours, and you may see only sums of it")
		}
	}
	if slices.Contains(in.By, "label") != (in.Label != "") {
		return q, invalid("query.label", "must be set with by=label, and only then: it is the name of the label to group by")
	}
	if in.Top > 0 && (len(in.By) != 2 || !slices.ContainsFunc(in.By, isOfTime)) {
		return q, invalid("query.top", "requires by with one of hour, day, week and month, and one other dimension")
	}
	return q, nil
}

// isOfPeople reports whether a dimension distinguishes people.
func isOfPeople(dimension string) bool {
	return slices.Contains([]string{"user", "group", "label", "credential"}, dimension)
}

// filter is what the parameters select, of what may be seen.
func (p FilterParameters) filter(v view) (history.Filter, error) {
	f := history.Filter{
		Users: p.User, Groups: p.Group, Tiers: p.Tier, Models: p.Model, Providers: p.Provider,
		Endpoints: p.Endpoint, Decisions: p.Decision, Outcomes: p.Outcome, Credentials: p.Credential,
	}
	for _, label := range p.Labels {
		name, value, ok := strings.Cut(label, "=")
		if !ok || name == "" {
			return f, invalid("query.labels", "must be name=value, such as project=apollo")
		}
		if f.Labels == nil {
			f.Labels = map[string]string{}
		}
		f.Labels[name] = value
	}
	for _, one := range []struct {
		parameter string
		values    []string
	}{
		{"user", p.User}, {"group", p.Group}, {"tier", p.Tier}, {"model", p.Model}, {"provider", p.Provider}, {"endpoint", p.Endpoint},
		{"decision", p.Decision}, {"outcome", p.Outcome}, {"credential", p.Credential}, {"labels", p.Labels},
	} {
		if slices.ContainsFunc(one.values, isUnwritable) {
			return f, invalid("query."+one.parameter, "must be printable text")
		}
		if v.role == auth.Above && len(one.values) > 0 && (isOfPeople(one.parameter) || one.parameter == "labels") {
			return f, invalid("query."+one.parameter, "cannot be asked for: this tenant is below yours, and you may see only sums of it")
		}
	}
	if v.role == auth.Member && slices.ContainsFunc(p.User, func(user string) bool { return user != v.user }) {
		return f, forbidden("you may see only your own calls: name yourself or nobody")
	}
	return f, nil
}

// isUnwritable reports whether Postgres refuses a text.
func isUnwritable(text string) bool {
	return strings.ContainsRune(text, 0) || strings.ToValidUTF8(text, "") != text
}

// isOneLine reports whether a text that somebody wrote may be shown to others as it is: it has no control
// characters, and none that change the direction of the text after them.
func isOneLine(text string) bool {
	return !isUnwritable(text) && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) })
}

func (u *Usage) head() []string {
	return slices.Concat(u.By, []string{"start", "end"}, history.SumNames())
}

// rows are those of the answer and, if there are others, a row for these, marked as such, so that the
// columns add up to the total.
func (u *Usage) rows() [][]string {
	all := make([][]string, 0, len(u.Rows)+1)
	for _, row := range u.Rows {
		all = append(all, slices.Concat(row.values(u.By), []string{rfc3339(row.Start), rfc3339(row.End)}, row.of.Texts()))
	}
	for _, row := range u.Rest {
		values := row.values(u.By)
		values[slices.IndexFunc(u.By, func(name string) bool { return !isOfTime(name) })] = "(" + strconv.FormatInt(u.RestValues, 10) + " others)"
		all = append(all, slices.Concat(values, []string{rfc3339(row.Start), rfc3339(row.End)}, row.of.Texts()))
	}
	if u.Others != nil {
		values := make([]string, len(u.By))
		if len(values) > 0 {
			values[0] = "(" + strconv.FormatInt(u.OtherRows, 10) + " others)"
		}
		all = append(all, slices.Concat(values, []string{"", ""}, u.Others.of.Texts()))
	}
	return all
}

func (r UsageRow) values(by []string) []string {
	values := make([]string, len(by))
	for i, name := range by {
		values[i] = r.Values[name]
	}
	return values
}

func rfc3339(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Format(time.RFC3339)
}
