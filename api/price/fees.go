package price

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"

	"github.com/bursar-dev/bursar/api/money"
)

// Fees are the prices of one use of each thing that is billed in addition to tokens, by the
// provider's name of it, such as "web_search".
type Fees map[string]money.Nanos

// EachCall is the name of the fee of every call, whatever it uses.
const EachCall = "call"

// Uses are how often each thing was used that is billed in addition to tokens, by name,
// written like a URL's query: "web_fetch=1&web_search=3". Empty means none.
type Uses string

// UsesOf are the uses with these counts, without those of 0.
func UsesOf(counts map[string]int64) Uses {
	query := url.Values{}
	for name, n := range counts {
		if n != 0 {
			query.Set(name, strconv.FormatInt(n, 10))
		}
	}
	return Uses(query.Encode())
}

// AtMost are the uses of a bound with these counts. A count of 0 means that the call cannot
// use the thing.
func AtMost(counts map[string]int64) Uses {
	query := url.Values{}
	for name, n := range counts {
		query.Set(name, strconv.FormatInt(n, 10))
	}
	return Uses(query.Encode())
}

// Counts are how often each thing was used; nil if nothing was. The error is ErrUsage.
func (u Uses) Counts() (map[string]int64, error) {
	if u == "" {
		return nil, nil
	}
	pairs, err := parsePairs("uses", string(u))
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int64, len(pairs))
	for name, text := range pairs {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > MaxTokens {
			return nil, fmt.Errorf("%w: %q uses of %s", ErrUsage, text, name)
		}
		counts[name] = n
	}
	return counts, nil
}

// mostUses are the uses of a bound, and those that any call may have in addition.
func (t Tariff) mostUses(bound Uses) Uses {
	if t.AnyCallUses == "" {
		return bound
	}
	most, err := t.AnyCallUses.Counts()
	bounded, badBound := bound.Counts()
	if err != nil || badBound != nil {
		return bound // a later step reports the error
	}
	maps.Copy(most, bounded)
	return UsesOf(most)
}

// fees are the fees of the uses, and the fee of every call.
func (t Tariff) fees(uses Uses) (money.Nanos, error) {
	counts, err := uses.Counts()
	if err != nil {
		return 0, err
	}
	sum := t.Fees[EachCall]
	for name, n := range counts {
		fee, ok := t.Fees[name]
		switch {
		case n == 0:
			continue
		case !ok:
			return 0, fmt.Errorf("%w for uses of %s", ErrNoPrice, name)
		case fee > (money.Max-sum)/money.Nanos(n):
			return 0, ErrTooExpensive
		}
		sum += fee * money.Nanos(n)
	}
	return sum, nil
}

// validateFees reports whether fees are valid.
func (t Tariff) validateFees() error {
	for name, fee := range t.Fees {
		if name == "" || fee < 0 || fee > money.Max {
			return fmt.Errorf("fee %s of %q is out of range, or has no name", fee, name)
		}
	}
	if _, err := t.fees(t.AnyCallUses); err != nil && !errors.Is(err, ErrTooExpensive) {
		return fmt.Errorf("uses of any call: %w", err)
	}
	return nil
}
