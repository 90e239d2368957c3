// Command bursar-sign-in signs one of the sample company's people in, in the stack of
// `make run`, and prints the token.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/parts/openid"
)

func main() {
	stackAuth := flag.Bool("stack-auth", false, "sign in at Stack Auth, not at the company's OpenID Connect server")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: bursar-sign-in [-stack-auth] NAME\n\nNAME is one of:", strings.Join(names(), ", "))
		flag.PrintDefaults()
	}
	flag.Parse()
	token, err := signIn(*stackAuth, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "bursar-sign-in:", err)
		os.Exit(1)
	}
	fmt.Println(token)
}

func names() (names []string) {
	for _, person := range openid.People() {
		names = append(names, person.Name)
	}
	return names
}

func signIn(atStackAuth bool, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if len(args) != 1 {
		return "", errors.New("say who signs in, as in: bursar-sign-in " + names()[0])
	}
	for _, person := range openid.People() {
		if person.Name == args[0] {
			return signInPerson(ctx, atStackAuth, person)
		}
	}
	return "", fmt.Errorf("nobody is called %q: there are %s", args[0], strings.Join(names(), ", "))
}

func signInPerson(ctx context.Context, atStackAuth bool, person openid.Person) (string, error) {
	variable := openid.URLVariable
	if atStackAuth {
		variable = issuer.URLVariable
	}
	url := os.Getenv(variable)
	if url == "" {
		return "", fmt.Errorf("%s is not set: source the file env of `make run`, as in: . .dev/env", variable)
	}
	if atStackAuth {
		return issuer.SignIn(ctx, url, issuer.SampleProject, person.Email, person.Password())
	}
	tokens, err := openid.SignIn(ctx, url, person.Name, person.Password())
	return tokens.Access, err
}
