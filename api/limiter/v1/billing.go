package limiterv1

import (
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/price"
)

// Billing is how a provider bills, apart from the prices of the model that is asked for.
type Billing struct {
	// NeutralUsage are members of the usage in an answer that cost nothing beyond what the
	// tokens do. Each is a path, "num_search_queries" or "details.pages", and includes
	// everything below it; "*" stands for all members.
	NeutralUsage []string
	// CostReported is whether a call costs what the provider's answer says.
	CostReported bool
	// Models are all models of the provider, and At is the moment whose prices are in force.
	Models []Model
	At     time.Time
}

// Billing is how the provider bills calls that are admitted now.
func (p *Provider) Billing(now time.Time) Billing {
	return Billing{NeutralUsage: p.NeutralUsage, CostReported: p.CostReported, Models: p.Models, At: now}
}

// Neutral reports whether a member of a usage costs nothing beyond what the tokens do.
func (b Billing) Neutral(path string) bool {
	return slices.ContainsFunc(b.NeutralUsage, func(neutral string) bool {
		rest, within := strings.CutPrefix(path, neutral)
		return neutral == AnyName || within && (rest == "" || rest[0] == '.')
	})
}

// Prices are those in force of the model that the provider calls by the name, if it is listed.
func (b Billing) Prices(upstreamName string) (price.Book, bool) {
	for _, m := range b.Models {
		if m.UpstreamName == upstreamName {
			return m.At(b.At).Prices, true
		}
	}
	return nil, false
}

// AnyName stands for every name, among the names of a model in answers.
const AnyName = "*"

// IsAnsweredAs reports whether a name is one of those that the model has in answers.
func (m Model) IsAnsweredAs(name string) bool {
	return slices.Contains(m.AnsweredAs, name) || slices.Contains(m.AnsweredAs, AnyName)
}
