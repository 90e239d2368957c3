package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bursar-dev/bursar/hack/stack"
)

// tour writes the page while it walks.
type tour struct {
	stack *stack.Stack
	// work is the directory that commands run in.
	work string
	env  []string
	page bytes.Buffer
}

// run runs a line in a shell, and returns what it printed.
func (t *tour) run(ctx context.Context, line string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = t.work, t.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// newTour makes a tour in a directory, and removes what an earlier tour has left there.
func newTour(s *stack.Stack, dir string) (*tour, error) {
	work, err := filepath.Abs(filepath.Join(dir, "tour"))
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(work); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	bin, err := filepath.Abs("bin")
	if err != nil {
		return nil, err
	}
	// kubectl finds its plugin in the PATH, as a user's does.
	path := strings.Join([]string{bin, filepath.Dir(s.Kubectl), os.Getenv("PATH")}, string(os.PathListSeparator))
	return &tour{stack: s, work: work, env: append(os.Environ(),
		"PATH="+path, "KUBECONFIG="+s.Kubeconfig, "BURSAR_DATABASE_URL="+s.ReaderURL, "NO_COLOR=1")}, nil
}

// say writes prose.
func (t *tour) say(format string, args ...any) { fmt.Fprintf(&t.page, format+"\n\n", args...) }

// shell runs a line in a shell, and shows it and what it printed. The tour ends if the line
// exits with another code than wantExit allows.
func (t *tour) shell(ctx context.Context, line string, wantExit ...int) error {
	out, err := t.run(ctx, line)
	exit := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		exit = failed.ExitCode()
	} else if err != nil {
		return err
	}
	want := 0
	if len(wantExit) > 0 {
		want = wantExit[0]
	}
	if exit != want {
		return fmt.Errorf("%s: exit %d, want %d: %w\n%s", line, exit, want, err, out)
	}
	fmt.Printf("$ %s\n%s\n", line, out)
	fmt.Fprintf(&t.page, "```\n$ %s\n%s```\n\n", line, out)
	return nil
}

// file makes a file for commands, and shows it.
func (t *tour) file(name, content string) error {
	fmt.Fprintf(&t.page, "```yaml\n# %s\n%s```\n\n", name, content)
	return os.WriteFile(filepath.Join(t.work, name), []byte(content), 0o644)
}

// chat asks for a chat completion of so many tokens with a key, and returns the call's id.
func (t *tour) chat(ctx context.Context, key, model string, output int) (id string, status int, err error) {
	body, err := json.Marshal(map[string]any{
		"model": model, "max_completion_tokens": output,
		"messages": []map[string]string{{"role": "user", "content": fmt.Sprintf("Write the report. [[output=%d]]", output)}},
	})
	if err != nil {
		return "", 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.stack.EnforcerURLs[0]+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.Header.Get("X-Bursar-Call-Id"), response.StatusCode, err
}
