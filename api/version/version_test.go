package version

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestTake(t *testing.T) {
	noted := &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-2026"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-29T00:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	for name, test := range map[string]struct {
		stamped, want Info
	}{
		"not stamped": {Info{}, Info{"v0.0.0-2026", "abc", "2026-11-29T00:00:00Z", true}},
		"stamped":     {Info{Version: "v1.2.3", Commit: "def", Date: "then"}, Info{"v1.2.3", "def", "then", false}},
	} {
		got := test.stamped
		if got.take(noted); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestLine(t *testing.T) {
	if got := Line("enforcer"); !strings.HasPrefix(got, "enforcer ") || !strings.Contains(got, "commit ") || strings.Contains(got, "  ") {
		t.Errorf("%q", got)
	}
}
