package protocol

import (
	"reflect"
	"regexp"
	"strings"

	"github.com/bursar-dev/bursar/api/price"
)

// pricesOf are the prices of the model that an answer names, if they are known: the model's
// own, where the name is one of its names, or that of a snapshot of it, or of the model whose
// snapshot was asked; or else those of the model of that name that the provider lists. What
// a caller has named has the prices of no model in particular, and is not compared.
func (b bill) pricesOf(name string) (price.Book, bool) {
	m := b.model
	if m.Unlisted || name == "" || name == m.UpstreamName || m.IsAnsweredAs(name) {
		return m.Prices, true
	}
	if prices, listed := m.Billing.Prices(name); listed {
		return prices, true
	}
	return m.Prices, sameModel(m.UpstreamName, name) || sameModel(m.Name, name)
}

// isPricedApart reports whether an answer that names this model, if it names one, may have other
// prices than one of the model that was asked.
func (b bill) isPricedApart(name string) bool {
	if b.anyModel || b.model.Billing.CostReported {
		return false
	}
	prices, priced := b.pricesOf(name)
	return !priced || !reflect.DeepEqual(prices, b.model.Prices)
}

// snapshots matches how the name of a model's snapshot goes on after the model's name: with dates
// and versions, and with words that say that there are some.
var snapshots = regexp.MustCompile(`^(-(\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{2}-\d{4}|\d{8}|\d{6}|\d{4}|\d{3}|v\d+|latest|preview|exp|experimental|beta))*$`)

// variants are what may stand behind a colon in the name of a model: how it is reached at
// OpenRouter, or which of its files Ollama takes.
var variants = map[string]bool{"nitro": true, "floor": true, "exacto": true, "online": true, "free": true, "latest": true}

// sameModel reports whether two names are those of one model: without the folders before them,
// the longer one is the shorter one, or goes on as snapshots do.
func sameModel(asked, answered string) bool {
	a, b := plainName(asked), plainName(answered)
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, begins := strings.CutPrefix(b, a)
	return begins && a != "" && snapshots.MatchString(rest)
}

func plainName(name string) string {
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	if before, variant, found := strings.Cut(name, ":"); found && variants[variant] {
		name = before
	}
	return strings.TrimSuffix(separators.Replace(name), "-latest")
}

// separators are what some write in the place of a hyphen.
var separators = strings.NewReplacer(".", "-", "_", "-", "@", "-")
