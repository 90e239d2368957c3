package cluster_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func byKustomize() {
	// Managers that the chart's end left without rights have been refused.
	var refused int

	It("is installed from nothing", NodeTimeout(6*time.Minute), func(ctx SpecContext) {
		refused = len(forbidden())
		bill(ctx, http.MethodDelete)
		took := step("install, with Redis and Postgres", func() {
			prepare(ctx, "kustomize")
			kustomize(ctx, now)
		})
		figure("install by kustomize, with a Redis and a Postgres, until all is ready: %.1f s", took.Seconds())
		Expect(definitions(ctx)).To(Equal(definitionsIn(nowSource)))
	})

	It("admits calls of a pod by its ServiceAccount, records them, and refuses what is over", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		step("samples", func() { samples(ctx) })
		step("calls of a pod, and a refusal", func() { callUntilRefused(ctx) })
		Expect(forbidden()[refused:]).To(BeEmpty())
	})

	It("is removed without a trace, in the order that docs/operate.md says", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		step("remove", func() {
			kubectl(ctx, "delete", "bursar", "--all", "-A", "--timeout=60s")
			kubectl(ctx, "delete", "-k", overlay(now), "--timeout=60s")
			removeRest(ctx)
		})
	})
}
