package ask

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDocument: the OpenAPI document is valid, and so are all answers of the console to an admin by it.
// The program that checks that is a module of its own, which `make clients` builds.
func TestDocument(t *testing.T) {
	program := filepath.Join("..", "..", "clients", "openapi", "bin", "openapi")
	if _, err := os.Stat(program); err != nil {
		t.Skip("there is no ", program, ": `make clients` builds it")
	}
	cmd := exec.CommandContext(t.Context(), program, bursar.ConsoleURL)
	tenant(t, "document", `limits: [{name: daily, period: Day, amount: "5.00"}]`)
	call(t, keyOf("document", "user"), "penny", "Hello", "document")
	cmd.Env = append(os.Environ(), "BURSAR_TOKEN="+keyOf("document", "admin"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
