package priceimport_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bursar-dev/bursar/controllers/cmd/kubectl-budget/priceimport"
)

var update = flag.Bool("update", false, "write testdata/imported.txt anew")

// TestPublishedTables reads rows as models.dev and LiteLLM have published them: each is imported
// with its prices, or it is told why not; and so it is with each part of its prices.
func TestPublishedTables(t *testing.T) {
	var got strings.Builder
	for _, name := range []string{"models.dev", "litellm"} {
		raw, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for _, provider := range providersOf(t, raw) {
			read, problems, err := priceimport.Read(strings.NewReader(string(raw)), priceimport.Options{
				Format: priceimport.Format(name), Provider: provider, Endpoint: "https://api.example.com/v1",
			})
			if err != nil {
				t.Fatalf("%s, %s: %v", name, provider, err)
			}
			fmt.Fprintf(&got, "# %s: %s\n", name, provider)
			for _, model := range read.Spec.Models {
				prices, err := json.Marshal(model.Prices)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&got, "%s %s\n", model.Name, prices)
			}
			for _, problem := range problems {
				fmt.Fprintln(&got, problem)
			}
		}
	}
	const file = "testdata/imported.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("what became of the rows (-want +got):\n%s", diff)
	}
}

// providersOf are the names of the providers in a table of either format.
func providersOf(t *testing.T, raw []byte) []string {
	t.Helper()
	var top map[string]struct {
		ID       string `json:"id"`
		Provider string `json:"litellm_provider"`
	}
	if err := json.Unmarshal(raw, &top); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, entry := range top {
		names[entry.ID+entry.Provider] = true
	}
	return slices.Sorted(maps.Keys(names))
}
