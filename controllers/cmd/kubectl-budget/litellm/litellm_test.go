package litellm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/v1alpha1"
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

// TestModelsOfKeys: a key may call what both its own models and its team's stand for, by names and by
// patterns, and nothing else.
func TestModelsOfKeys(t *testing.T) {
	const config = `model_list:
- {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}, model_info: &priced {input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, max_output_tokens: 10}}
- {model_name: gpt-4o-mini, litellm_params: {model: openai/gpt-4o-mini}, model_info: *priced}
- {model_name: sonnet, litellm_params: {model: openai/sonnet}, model_info: *priced}
`
	for _, test := range []struct{ team, key, want string }{
		{``, `"gpt-4o"`, "gpt-4o"},
		{``, `"gpt-*"`, "gpt-*"},
		{`"gpt-*"`, `"gpt-4o","sonnet"`, "gpt-4o"},
		{`"gpt-*"`, `"sonnet"`, ""},
		{`"gpt-*"`, `"*-mini"`, ""},
		{`"gpt-*"`, `"gpt-4o*"`, "gpt-4o*"},
		{`"gpt-*"`, `"gpt-*"`, "gpt-*"},
		{`"gpt-*"`, `"g*"`, "gpt-*"},
		{`"gpt-*"`, ``, "gpt-*"},
		{`"gpt-4o","sonnet"`, `"gpt-*"`, "gpt-4o"},
		{`"gpt-4o","sonnet"`, `"gpt-*","gpt-4o"`, "gpt-4o"},
		{`"gpt-4o","sonnet"`, `"gpt-4o-mini"`, ""},
	} {
		result, err := Import(Options{
			Configs: []File{{"config.yaml", strings.NewReader(config)}},
			Teams:   []File{{"teams.json", strings.NewReader(fmt.Sprintf(`[{"team_id": "t", "models": [%s]}]`, test.team))}},
			Keys:    []File{{"keys.json", strings.NewReader(fmt.Sprintf(`[{"token": "sk-1", "team_id": "t", "models": [%s]}]`, test.key))}},
			Tenant:  "main",
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, object := range result.Objects {
			if key, isKey := object.(*v1alpha1.APIKey); isKey {
				got = append(got, key.Spec.Models...)
			}
		}
		if want := strings.Fields(test.want); !slices.Equal(got, want) {
			t.Errorf("team %s, key %s: %s, want %s; notes: %s", test.team, test.key, got, want, strings.Join(result.Notes, "; "))
		}
	}
}
