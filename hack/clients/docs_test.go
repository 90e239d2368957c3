package clients

import (
	"os"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestApplicationInTheDocs: the docs have the parts of the application as they are tested.
func TestApplicationInTheDocs(t *testing.T) {
	for file, in := range map[string]struct{ page, language string }{
		"app/api/chat/route.js":   {"identity.md", "js"},
		"app/lib/bursar.ts":       {"api.md", "ts"},
		"app/api/budget/route.ts": {"api.md", "ts"},
	} {
		page, err := os.ReadFile("../../docs/" + in.page)
		testkit.Must(t, err)
		part, err := os.ReadFile(file)
		testkit.Must(t, err)
		if !strings.Contains(string(page), "```"+in.language+"\n"+string(part)+"```\n") {
			t.Errorf("docs/%s does not have %s as it is", in.page, file)
		}
	}
}
