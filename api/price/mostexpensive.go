package price

import "math"

// MostExpensive is a book for calls of a model that has none: every kind of token has
// the dearest price that any list of the books has for it, for calls of every length
// and in every service tier of the books. Of no books it is empty.
//
// What one of the books has a price for, this one has a price for, which is no lower.
// A model that is in none of the books may cost more: its price is unknown.
func MostExpensive(books ...Book) Book {
	dearest, most := List{}, Book{}
	for _, book := range books {
		for tier, tariff := range book {
			most[tier] = Tariff{Base: dearest}
			for _, list := range tariff.upTo(math.MaxInt64) {
				for kind, price := range list {
					dearest[kind] = max(dearest[kind], price)
				}
			}
		}
	}
	return most
}
