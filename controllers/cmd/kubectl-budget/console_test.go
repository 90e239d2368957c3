package main

import "testing"

// TestWhichIsAsked: a console that only the environment names is asked where there is a credential for
// it, and the ledger otherwise, if there is one; a flag says it always.
func TestWhichIsAsked(t *testing.T) {
	const url, ledger = "https://bursar.example.com", "postgres://postgres.example.com/bursar"
	for name, tc := range map[string]struct {
		console   console
		ledger    database
		variables map[string]string
		isConsole bool
	}{
		"nothing is named":                       {},
		"a console":                              {variables: map[string]string{consoleVariable: url}, isConsole: true},
		"both, and no credential":                {variables: map[string]string{consoleVariable: url, databaseVariable: ledger}},
		"both, and a credential":                 {variables: map[string]string{consoleVariable: url, databaseVariable: ledger, tokenVariable: "key"}, isConsole: true},
		"both, and a file with a credential":     {console: console{tokenFile: "token"}, variables: map[string]string{consoleVariable: url, databaseVariable: ledger}, isConsole: true},
		"a credential, and a ledger by its flag": {ledger: database{url: ledger}, variables: map[string]string{consoleVariable: url, tokenVariable: "key"}},
		"a console by its flag":                  {console: console{url: url}, ledger: database{url: ledger}, isConsole: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{consoleVariable, databaseVariable, tokenVariable} {
				t.Setenv(variable, tc.variables[variable])
			}
			if got := tc.console.isNamed(tc.ledger); got != tc.isConsole {
				t.Errorf("the console is asked: %t, want %t", got, tc.isConsole)
			}
		})
	}
}
