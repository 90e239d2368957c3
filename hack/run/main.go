// Command run leaves a whole Bursar up until Ctrl-C, configured with config/samples,
// and says how to talk to it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/bursar-dev/bursar/hack/parts/openid"
	"github.com/bursar-dev/bursar/hack/stack"
)

func main() {
	dir := flag.String("dir", stack.DefaultDir(), "directory for logs, data, the kubeconfig and the file env")
	enforcers := flag.Int("enforcers", 2, "number of enforcers")
	flag.Parse()

	if err := run(*dir, *enforcers); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(dir string, enforcers int) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Println("Starting Bursar with real servers; logs are in", dir)
	s, err := stack.Start(ctx, stack.Options{Dir: dir, Enforcers: enforcers, Progress: os.Stdout})
	if err != nil {
		return err
	}
	defer func() {
		fmt.Println("\nStopping.")
		if stopErr := s.Stop(); err == nil {
			err = stopErr
		}
	}()
	if err := s.StartSignIn(); err != nil {
		return err
	}
	if _, err := s.ApplySamples(ctx); err != nil {
		return err
	}
	if _, err := s.ApplySignIn(ctx); err != nil {
		return err
	}
	if err := s.StartConsole(ctx); err != nil {
		return err
	}
	env, err := s.WriteEnv(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, person := range openid.People() {
		names = append(names, person.Name)
	}
	fmt.Printf(`
Bursar is up, with config/samples applied. Ctrl-C ends it.

  kubeconfig   %[1]s
  a shell      . %[2]s      (sets PATH, KUBECONFIG and the addresses)
  an API key   %[3]s      (user corporativo-1)
  people       %[6]s; they sign in at %[7]s with the password %[8]sNAME,
               and at a Stack Auth at %[9]s

  curl -i %[4]s/v1/chat/completions \
    -H 'Authorization: Bearer %[3]s' -H 'Content-Type: application/json' \
    -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'

  . %[2]s
  TOKEN=$(bursar-sign-in %[10]s)      (a token to send instead of the key)
  kubectl -n %[5]s get tenantbudgets
  kubectl budget top -n %[5]s

  The console: %[12]s      (sign in as eva, who sees her own calls; as carla, who sees all of acme; or as %[11]s, who sees every tenant)

  Its API:
  curl '%[12]s/api/ai/usage?by=day,model' -H "Authorization: Bearer $TOKEN"

  Alerts by e-mail, and to webhooks below %[13]s, are collected here: curl -k %[13]s
`, s.Kubeconfig, env, stack.SampleKey("corporativo-1"), s.EnforcerURLs[0], stack.SampleNamespace,
		strings.Join(names, ", "), s.SignIn.OpenID.URL, openid.PasswordPrefix, s.SignIn.StackAuthURL, names[0],
		stack.PlatformAdmin, s.ConsoleURL, s.Receivers.Webhook.URL)
	<-ctx.Done()
	return nil
}
