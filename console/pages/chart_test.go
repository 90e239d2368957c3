package pages

import (
	"slices"
	"testing"

	"golang.org/x/text/language"
)

// TestTicks: an axis holds the largest amount, is not much higher, and each of its marks says
// where it is, however small amounts are.
func TestTicks(t *testing.T) {
	l := newLocale(language.English)
	for most, want := range map[int64][]string{
		0:               {"$0.04", "$0.03", "$0.02", "$0.01", "$0"},
		1:               {"$0.000000004", "$0.000000003", "$0.000000002", "$0.000000001", "$0"},
		20_700:          {"$0.00004", "$0.00003", "$0.00002", "$0.00001", "$0"},
		10_000_000:      {"$0.01", "$0.0075", "$0.005", "$0.0025", "$0"},
		100_000_000:     {"$0.10", "$0.075", "$0.05", "$0.025", "$0"},
		4_640_590_350:   {"$8", "$6", "$4", "$2", "$0"},
		9_000_000_000:   {"$10", "$7.50", "$5", "$2.50", "$0"},
		100_000_000_001: {"$200", "$150", "$100", "$50", "$0"},
	} {
		scale := newScale(most)
		if got := scale.ticks(l); !slices.Equal(got, want) {
			t.Errorf("marks of an axis up to %d nano-dollars: got %v, want %v", most, got, want)
		}
		if scale.top < most || most > 1 && scale.top > 5*most/2 {
			t.Errorf("an axis for %d nano-dollars goes to %d", most, scale.top)
		}
	}
}

// TestShortText: no amount looks like none.
func TestShortText(t *testing.T) {
	l := newLocale(language.English)
	for nanos, want := range map[int64]string{
		0: "$0.00", 20_700: "$0.0000207", 99_999_999: "$0.099999999", 100_000_000: "$0.10", 4_640_590_350: "$4.64", -5_000_000: "−$0.005",
	} {
		if got := l.shortText(dollarsOf(nanos)); got != want {
			t.Errorf("%d nano-dollars: got %s, want %s", nanos, got, want)
		}
	}
}
