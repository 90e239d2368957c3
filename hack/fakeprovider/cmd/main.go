// Command fakeprovider runs the fake model provider on its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8090", "`address` to listen on; port 0 means a free one")
	key := flag.String("key", "", "API `key` that calls must send; empty accepts every call")
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see --help", flag.Arg(0))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := fakeprovider.Start(*listen, fakeprovider.Options{Key: *key})
	if err != nil {
		return err
	}
	fmt.Println("listening on " + server.URL)
	<-ctx.Done()
	return server.Stop()
}

func usage() {
	out := flag.CommandLine.Output()
	fmt.Fprint(out, `A deterministic fake of model providers that keeps its own bill.

  POST /v1/chat/completions   OpenAI, whole and streamed, as all that follow
  POST /v1/responses
  POST /v1/embeddings
  POST /openai/deployments/{model}/{chat/completions,embeddings}   Azure OpenAI
  POST /v1/messages           Anthropic
  POST /v1beta/models/{model}:{generateContent,streamGenerateContent?alt=sse}   Gemini
  POST /{v1,v3,v4}/ai/{language-model,embedding-model}   Vercel AI Gateway, as the AI SDK 5, 6 and 7 speak it
  GET  /v1/models
  GET  /bill                  what all calls cost; DELETE resets it
  GET  /paused                how many calls are paused; POST /resume lets them go on

Flags:
`)
	flag.PrintDefaults()
	fmt.Fprint(out, "\n"+fakeprovider.DirectivesHelp)
}
