package price

import (
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"

	"github.com/bursar-dev/bursar/api/money"
)

// Factor is what the cost of tokens is multiplied by, in billionths: 1_100_000_000 is
// 1.1. Every published factor with up to nine digits after the point is exact.
type Factor int64

// One is the factor that changes nothing, and MaxFactor the largest.
const (
	One       Factor = 1_000_000_000
	MaxFactor Factor = 1000 * One
)

// Multiplier is the factor of calls in which a property has a value.
type Multiplier struct {
	// Property is the provider's name of the property, such as "inference_geo" or "speed".
	Property string `json:"property"`
	// Value is what the provider calls the value, such as "us" or "fast".
	Value  string `json:"value"`
	Factor Factor `json:"factor"`
}

// Properties are what else determines the price of a call's tokens: the value of each
// property, by name, written like a URL's query: "inference_geo=us&speed=fast". A
// property that is missing has no value that changes the price. Empty means no
// properties.
type Properties string

// PropertiesOf are the properties with these values.
func PropertiesOf(values map[string]string) Properties {
	query := url.Values{}
	for name, value := range values {
		query.Set(name, value)
	}
	return Properties(query.Encode())
}

// Or are the properties, and those of others that they do not name. If either cannot be
// read, the properties are returned as they are.
func (p Properties) Or(others Properties) Properties {
	own, err := p.Values()
	all, badOthers := others.Values()
	if err != nil || badOthers != nil || len(all) == 0 {
		return p
	}
	maps.Copy(all, own)
	return PropertiesOf(all)
}

// Values are the values by property. The error is ErrUsage.
func (p Properties) Values() (map[string]string, error) { return parsePairs("properties", string(p)) }

func parsePairs(what, query string) (map[string]string, error) {
	if query == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("%w: %s %q", ErrUsage, what, query)
	}
	pairs := make(map[string]string, len(values))
	for name, of := range values {
		if len(of) != 1 {
			return nil, fmt.Errorf("%w: %s %q", ErrUsage, what, query)
		}
		pairs[name] = of[0]
	}
	return pairs, nil
}

// factors are the factors of the values of a usage's properties, without those that are
// One.
func (t Tariff) factors(p Properties) ([]Factor, error) {
	values, err := p.Values()
	if err != nil {
		return nil, err
	}
	var factors []Factor
	for name, value := range values {
		if value == "" {
			continue
		}
		factor, ok := t.factor(name, value)
		if !ok {
			return nil, fmt.Errorf("%w for calls with %s %q", ErrNoPrice, name, value)
		}
		if factor != One {
			factors = append(factors, factor)
		}
	}
	return factors, nil
}

// dearestFactors are the highest factors that a call can have. A property that the bound
// names has the value there, or none; any other may have each value that has a factor.
func (t Tariff) dearestFactors(bound Properties) ([]Factor, error) {
	if _, err := t.factors(bound); err != nil {
		return nil, err
	}
	named, _ := bound.Values()
	highest := map[string]Factor{}
	for _, m := range t.Multipliers {
		if value, ok := named[m.Property]; !ok || value == m.Value {
			highest[m.Property] = max(highest[m.Property], m.Factor, One)
		}
	}
	return slices.DeleteFunc(slices.Collect(maps.Values(highest)), func(f Factor) bool { return f == One }), nil
}

func (t Tariff) factor(property, value string) (Factor, bool) {
	for _, m := range t.Multipliers {
		if m.Property == property && m.Value == value {
			return m.Factor, true
		}
	}
	return 0, false
}

// times divides hi and lo, a number of 128 bits, by million and multiplies it by the
// factors, rounding up once.
func times(hi, lo uint64, factors []Factor) (money.Nanos, error) {
	product := new(big.Int).SetUint64(hi)
	product.Lsh(product, 64).Add(product, new(big.Int).SetUint64(lo))
	unit := big.NewInt(million)
	for _, f := range factors {
		product.Mul(product, big.NewInt(int64(f)))
		unit.Mul(unit, big.NewInt(int64(One)))
	}
	cost, rest := product.QuoRem(product, unit, new(big.Int))
	if rest.Sign() > 0 {
		cost.Add(cost, big.NewInt(1))
	}
	if !cost.IsInt64() || cost.Int64() > int64(money.Max) {
		return 0, ErrTooExpensive
	}
	return money.Nanos(cost.Int64()), nil
}

// validateMultipliers reports whether multipliers are valid.
func (t Tariff) validateMultipliers() error {
	for i, m := range t.Multipliers {
		_, twice := Tariff{Multipliers: t.Multipliers[:i]}.factor(m.Property, m.Value)
		switch {
		case m.Property == "" || m.Value == "":
			return fmt.Errorf("multiplier %d lacks its property or its value", i)
		case twice:
			return fmt.Errorf("%s %q has two factors", m.Property, m.Value)
		case m.Factor < 0 || m.Factor > MaxFactor:
			return fmt.Errorf("factor of %s %q is out of range", m.Property, m.Value)
		}
	}
	return nil
}
