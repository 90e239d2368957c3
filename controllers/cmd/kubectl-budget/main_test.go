package main

import (
	"errors"
	"strings"
	"testing"
)

func TestCommandsThatThereAreNot(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		// want is a part of the error.
		want string
	}{
		"of the plugin": {[]string{"tops"}, `unknown command "tops" for "kubectl budget"; did you mean top?`},
		"of keys":       {[]string{"key", "make"}, `unknown command "make" for "kubectl budget key"`},
		"of prices":     {[]string{"prices", "imports"}, `unknown command "imports" for "kubectl budget prices"; did you mean import?`},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, _, err := budgeted(t, tc.args...)
			var usage usageError
			if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), tc.want) || stdout != "" {
				t.Errorf("got error %v, want a usage error %q, and nothing printed:\n%s", err, tc.want, stdout)
			}
		})
	}
	for _, args := range [][]string{{}, {"key"}, {"prices"}} {
		if stdout, _, err := budgeted(t, args...); err != nil || !strings.Contains(stdout, "Available Commands:") {
			t.Errorf("%q: error %v, printed\n%s", args, err, stdout)
		}
	}
}
