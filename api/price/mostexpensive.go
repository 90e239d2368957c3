package price

import (
	"cmp"
	"math"
	"slices"
)

// MostExpensive is a book for calls of a model that has none: every kind of token has
// the dearest price that any list of the books has for it, for calls of every length and
// in every service tier of the books, every multiplier the highest factor, and every use
// the dearest fee. Without books, it is empty.
//
// It has a price for everything that one of the books has a price for, and it is no
// lower. A model that is in none of the books may cost more: its price is unknown.
func MostExpensive(books ...Book) Book {
	dearest, most := Tariff{Base: List{}}, Book{}
	for _, book := range books {
		for _, tariff := range book {
			for _, list := range tariff.upTo(math.MaxInt64) {
				for kind, price := range list {
					dearest.Base[kind] = max(dearest.Base[kind], price)
				}
			}
			dearest.raise(tariff)
		}
	}
	slices.SortFunc(dearest.Multipliers, func(a, b Multiplier) int {
		return cmp.Or(cmp.Compare(a.Property, b.Property), cmp.Compare(a.Value, b.Value))
	})
	for _, book := range books {
		for tier := range book {
			most[tier] = dearest
		}
	}
	return most
}

// raise raises multipliers and fees that are lower than another tariff's.
func (t *Tariff) raise(other Tariff) {
	for _, m := range other.Multipliers {
		same := func(have Multiplier) bool { return have.Property == m.Property && have.Value == m.Value }
		if i := slices.IndexFunc(t.Multipliers, same); i >= 0 {
			t.Multipliers[i].Factor = max(t.Multipliers[i].Factor, m.Factor)
			continue
		}
		t.Multipliers = append(t.Multipliers, m)
	}
	for name, fee := range other.Fees {
		if t.Fees == nil {
			t.Fees = Fees{}
		}
		t.Fees[name] = max(t.Fees[name], fee)
	}
	t.AnyCallUses = maxUses(t.AnyCallUses, other.AnyCallUses)
}

// maxUses takes the higher count of each use, if both can be read.
func maxUses(a, b Uses) Uses {
	if b == "" {
		return a
	}
	most, err := a.Counts()
	more, badMore := b.Counts()
	if err != nil || badMore != nil {
		return a
	}
	all := map[string]int64{}
	for _, counts := range []map[string]int64{most, more} {
		for name, n := range counts {
			all[name] = max(all[name], n)
		}
	}
	return UsesOf(all)
}
