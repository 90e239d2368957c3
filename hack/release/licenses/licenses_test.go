package licenses_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/release/licenses"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// TestLicenses: all that the programs are made of, for every platform, is under licences that
// ask for nothing except their texts, and the notices have these.
func TestLicenses(t *testing.T) {
	from, err := source.At(t.Context(), "../../..", "v0.0.0-test")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := licenses.Of(t.Context(), from, source.Released, "manager", "enforcer", "console", "kubectl-budget")
	if err != nil {
		t.Fatal(err)
	}
	notices := string(licenses.Notices(modules))
	for path, want := range map[string]string{
		"std": "BSD-3-Clause", "github.com/jackc/pgx/v5": "MIT", "k8s.io/client-go": "Apache-2.0", "github.com/redis/go-redis/v9": "BSD-2-Clause",
	} {
		at := slices.IndexFunc(modules, func(m licenses.Module) bool { return m.Path == path })
		if at < 0 || !slices.Contains(modules[at].Licenses, want) || !strings.Contains(notices, path+" "+modules[at].Version+"\n") {
			t.Errorf("%s is not listed under %s", path, want)
		}
	}
	if strings.Count(notices, "Redistribution and use in source and binary forms") < 3 {
		t.Error("the notices do not have the texts")
	}
}

// TestRefused: a licence that asks for more, a text that is no licence, and none.
func TestRefused(t *testing.T) {
	known, err := os.ReadFile("../../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"copyleft":                 {"This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.", "is not one of"},
		"no licence":               {"All rights reserved. Ask us first.", "known as a licence"},
		"a licence, and much more": {string(known) + strings.Repeat("You owe the author a beer for each million of calls. ", 1000), "known as a licence"},
	} {
		if _, err := licenses.Identify([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
}
