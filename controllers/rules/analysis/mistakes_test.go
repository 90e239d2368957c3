package analysis_test

import (
	"bufio"
	"slices"
	"strings"
)

func newBuffered(data string) *bufio.Reader { return bufio.NewReader(strings.NewReader(data)) }

// introduction begins the page.
const introduction = `# Mistakes

Some specs are valid but almost certainly not what was meant. Bursar warns about them twice: when the object is applied, and in the
object's condition ` + "`Warning`" + `, which stays until the object, or what it depends on, is changed. The object takes effect all the same,
and ` + "`Ready`" + ` is not affected. ` + "`kubectl budget check -f FILE`" + ` gives the same warnings for files, compared with what is in the cluster,
and fails if something has no effect at all.

Each row has a change of an object of ` + "`config/samples`" + `, and the answer. The tables are written by
` + "`go test ./controllers/rules/analysis -update`" + `, and the same test checks them.
`

// mistake is a change of a sample, and what is said then.
type mistake struct {
	// change has a field of the spec in each line, "path: value".
	change string
	// says is a warning in each line, or "refused: " or "has no effect yet: " and why.
	says string
	// beside are further objects that are there, in YAML.
	beside string
}

// claude is a ModelProvider of another protocol, with a dear model.
const claude = `
kind: ModelProvider
metadata: {name: anthropic}
spec:
  protocol: Anthropic
  endpoint: https://api.anthropic.com/v1
  credentialFile: anthropic
  models:
  - {name: claude-sonnet-4-5, maxOutputTokens: 64000, prices: {input: "3.00", output: "15.00"}}
`

// child is a budget below the sample.
const child = `
---
kind: TenantBudget
metadata: {name: team, namespace: acme}
spec:
  tenant: team
  parentRef: {name: acme}
  limits: [{name: daily, period: Day, amount: "1.00"}]
`

// company is a budget that the sample may be below, with less than it has.
const company = `
kind: TenantBudget
metadata: {name: company, namespace: acme}
spec:
  tenant: company
  limits: [{name: monthly, period: Month, amount: "3.00"}]
`

// prodOf is a second budget beside the sample, of a tenant.
func prodOf(tenant string) string {
	return `
kind: TenantBudget
metadata: {name: acme-prod, namespace: acme}
spec:
  tenant: ` + tenant + `
  limits: [{name: daily, period: Day, amount: "5.00"}]
`
}

// mistaken are mistakes in one object, as a table of the page has them.
type mistaken struct {
	title, about string
	// object is the one that is changed, "Kind/name".
	object string
	rows   []mistake
}

// mistakes are the tables of the page, in their order.
var mistakes = slices.Concat(mistakesOfProviders, mistakesOfBudgets, mistakesOfOthers)
