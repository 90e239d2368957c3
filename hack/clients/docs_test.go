package clients

import (
	"os"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestRouteHandlerInTheDocs: the docs have the route handler as it is tested.
func TestRouteHandlerInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/identity.md")
	testkit.Must(t, err)
	handler, err := os.ReadFile("app/api/chat/route.js")
	testkit.Must(t, err)
	if !strings.Contains(string(page), "```js\n"+string(handler)+"```\n") {
		t.Error("docs/identity.md does not have app/api/chat/route.js as it is")
	}
}
