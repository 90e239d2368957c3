package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// TestLog: what controller-runtime logs, at the levels that people know, and without the error that
// is none.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	level := slog.LevelDebug
	log := logr.FromSlogHandler(newLogger(&out, level).Handler()).WithName("controller-runtime").WithValues("a", "b")
	lost := errors.New("leader election lost")
	log.V(1).Info("fine")
	log.V(4).Info("finer")
	log.Info("plain")
	log.Error(lost, "error received after stop sequence was engaged")
	log.Error(errors.New("broken"), "error received after stop sequence was engaged")
	log.Error(lost, "problem running manager")
	var got []string
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(line, `"level":"`)
		name, line, _ := strings.Cut(line, `","msg":"`)
		message, _, _ := strings.Cut(line, `"`)
		got = append(got, name+" "+message)
	}
	want := []string{"DEBUG fine", "DEBUG finer", "INFO plain", "ERROR error received after stop sequence was engaged", "ERROR problem running manager"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}
