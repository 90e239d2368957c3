package litellm

import (
	"encoding/json"
	"testing"
)

func TestPeriod(t *testing.T) {
	for duration, test := range map[string]struct {
		want    string
		differs bool
	}{
		"1d": {"Day", false}, "24h": {"Day", false}, "7d": {"Week", false}, "1w": {"Week", false}, "30d": {"Month", false}, "1mo": {"Month", false},
		"3mo": {"Quarter", false}, "1y": {"Year", false}, "365d": {"Year", false},
		"1h": {"1h", true}, "30m": {"30m", true}, "10s": {"10s", true},
		"2d": {"Week", true}, "14d": {"Month", true}, "48h": {"Week", true}, "2mo": {"Quarter", true}, "2y": {"Year", true},
		"": {"Year", true}, "monthly": {"Year", true}, "0d": {"Year", true}, "99999999999999999999d": {"Year", true},
	} {
		got, differs := period(duration)
		if got != test.want || (differs != "") != test.differs {
			t.Errorf("%q: %s (%s), want %s", duration, got, differs, test.want)
		}
	}
}

func TestAmount(t *testing.T) {
	for n, want := range map[json.Number]string{
		"100": "100.00", "100.0": "100.00", "0.5": "0.50", "1e2": "100.00", "0.0000000019": "0.000000001", "12.345": "12.345", "0": "0.00", "9000000": "9000000.00",
		"-1": "", "9000000.1": "", "much": "", "": "",
	} {
		got, err := amount(n)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q (%v), want %q", n, got, err, want)
		}
	}
}
