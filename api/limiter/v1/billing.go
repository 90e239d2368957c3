package limiterv1

import (
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/price"
)

// Billing is how a provider bills beside the prices of the model that is asked.
type Billing struct {
	// NeutralUsage are members of the usage in an answer that cost nothing beside what the
	// tokens do. Each is a path, "num_search_queries" or "details.pages", and stands for all
	// that is in it, too; "*" stands for all members.
	NeutralUsage []string
	// CostReported is whether a call costs what the provider's answer says that it does.
	CostReported bool
	// Models are all of the provider's, and At is when their prices are in force.
	Models []Model
	At     time.Time
}

// Billing is how the provider bills calls that are admitted now.
func (p *Provider) Billing(now time.Time) Billing {
	return Billing{NeutralUsage: p.NeutralUsage, CostReported: p.CostReported, Models: p.Models, At: now}
}

// Neutral is whether a member of a usage costs nothing beside what the tokens do.
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

// AnyName among the names that a model has in answers stands for every name.
const AnyName = "*"

// IsAnsweredAs is whether a name is one of those that the model has in answers.
func (m Model) IsAnsweredAs(name string) bool {
	return slices.Contains(m.AnsweredAs, name) || slices.Contains(m.AnsweredAs, AnyName)
}
