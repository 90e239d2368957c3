package setup_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

var _ = Describe("A ModelProvider", func() {
	document := func(ctx context.Context, p *v1alpha1.ModelProvider) func() string {
		return func() string { return stored(ctx, "provider/"+p.Name) }
	}

	It("is programmed, and withdrawn when it is deleted", func(ctx SpecContext) {
		startEnforcer(true)
		provider := objects.ModelProvider("one")
		create(ctx, provider)
		expectProgrammed(ctx, provider)
		Expect(document(ctx, provider)()).To(ContainSubstring(
			`"models":[{"name":"one","upstreamName":"one","maxOutputTokens":1000,"prices":{"default":{"base":{"cachedInput":1000000000,"input":1000000000,"output":2000000000}}}}]`))
		remove(ctx, provider)
		Expect(document(ctx, provider)()).To(BeEmpty())
	})

	It("says what the enforcers see of it", func(ctx SpecContext) {
		one, two := startEnforcer(true), startEnforcer(true)
		provider := objects.ModelProvider("seen")
		provider.Spec.CredentialFile = "openai"
		create(ctx, provider)
		expectProgrammed(ctx, provider)
		expectCondition(ctx, provider, v1alpha1.ConditionReachable, "Unknown Untried")
		expectCondition(ctx, provider, v1alpha1.ConditionCredentialValid, "Unknown Untried")
		expectCondition(ctx, provider, v1alpha1.ConditionReady, "True Enforced")

		By("an enforcer not finding the key")
		one.sees(ctx, provider.Name, limiterv1.ProviderReport{Credential: limiterv1.CredentialFileMissing})
		expectCondition(ctx, provider, v1alpha1.ConditionCredentialValid, "False CredentialFileMissing")
		Expect(message(provider, v1alpha1.ConditionCredentialValid)).To(And(
			HavePrefix(`1 of 2 live enforcers: the file "openai" is missing`), ContainSubstring("bursar-provider-credentials")))
		expectCondition(ctx, provider, v1alpha1.ConditionReady, "False CredentialFileMissing")
		expectCondition(ctx, provider, v1alpha1.ConditionReconciling, "True CredentialFileMissing")
		Eventually(ctx, eventsOf(ctx, provider, "KeyUnusable")).Should(HaveLen(1))

		By("the provider rejecting the key")
		for _, e := range []*enforcer{one, two} {
			e.sees(ctx, provider.Name, limiterv1.ProviderReport{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected})
		}
		expectCondition(ctx, provider, v1alpha1.ConditionCredentialValid, "False KeyRejected")
		expectCondition(ctx, provider, v1alpha1.ConditionReachable, "True Answered")
		expectCondition(ctx, provider, v1alpha1.ConditionStalled, "True KeyRejected")
		Eventually(ctx, eventsOf(ctx, provider, "KeyUnusable")).Should(HaveLen(2))

		By("the enforcers that saw it having ended")
		one.sees(ctx, provider.Name, limiterv1.ProviderReport{Credential: limiterv1.Untried})
		two.sees(ctx, provider.Name, limiterv1.ProviderReport{Credential: limiterv1.Untried})
		Consistently(ctx, condition(ctx, provider, v1alpha1.ConditionCredentialValid), "1s").Should(Equal("False KeyRejected"))

		By("the key being right, and a model not being there")
		one.sees(ctx, provider.Name, limiterv1.ProviderReport{Reachable: limiterv1.NotFound, Credential: limiterv1.NoTrouble, Models: []string{"seen"}})
		expectCondition(ctx, provider, v1alpha1.ConditionCredentialValid, "True KeyAccepted")
		expectCondition(ctx, provider, v1alpha1.ConditionReachable, "False NotFound")
		Expect(message(provider, v1alpha1.ConditionReachable)).To(ContainSubstring("404 to calls of " + provider.Spec.Models[0].Name[:4]))
		expectCondition(ctx, provider, v1alpha1.ConditionReady, "True Enforced")
		Eventually(ctx, eventsOf(ctx, provider, "KeyUsable")).Should(HaveLen(1))
		Eventually(ctx, eventsOf(ctx, provider, "Unreachable")).Should(HaveLen(1))

		By("all being well")
		one.sees(ctx, provider.Name, limiterv1.ProviderReport{Reachable: limiterv1.NoTrouble, Credential: limiterv1.NoTrouble})
		expectCondition(ctx, provider, v1alpha1.ConditionReachable, "True Answered")
		Eventually(ctx, eventsOf(ctx, provider, "Reachable")).Should(HaveLen(1))

		By("the provider needing no key")
		update(ctx, provider, func(p *v1alpha1.ModelProvider) { p.Spec.CredentialFile = "" })
		expectCondition(ctx, provider, v1alpha1.ConditionCredentialValid, "True KeyNotNeeded")
		remove(ctx, provider)
	})

	It("takes models that it does not list, for budgets that say so", func(ctx SpecContext) {
		startEnforcer(true)
		provider := objects.ModelProvider("listed")
		provider.Spec.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 700, ContextWindow: 9000}
		create(ctx, provider)
		expectProgrammed(ctx, provider)
		Expect(document(ctx, provider)()).To(ContainSubstring(`"unlistedModels":{"maxOutputTokens":700,"contextWindow":9000}`))
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		Expect(documentOf(ctx, budget).UnknownModel).To(BeEmpty(), "none, as long as the budget does not say so")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.UnknownModel = v1alpha1.UnknownModelPriceAsMostExpensive })
		expectProgrammed(ctx, budget)
		Expect(documentOf(ctx, budget).UnknownModel).To(Equal(limiterv1.PriceAsMostExpensive))
	})

	It("takes models that none lists for itself: the older provider of the protocol does", func(ctx SpecContext) {
		startEnforcer(true)
		taking := func(name, protocol string) *v1alpha1.ModelProvider {
			p := objects.ModelProvider("model-" + name)
			p.Name = name + "-" + p.Name // Creation times are whole seconds: the name breaks a tie.
			p.Spec.Protocol = protocol
			p.Spec.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 700}
			create(ctx, p)
			return p
		}
		older := taking("a", "OpenAI")
		expectProgrammed(ctx, older)
		newer, other := taking("b", "OpenAI"), taking("c", "Gemini")
		expectProgrammed(ctx, other)
		expectCondition(ctx, newer, v1alpha1.ConditionAccepted, "False Conflicted")
		Expect(message(newer, v1alpha1.ConditionAccepted)).To(Equal(
			"spec.unlistedModels: Forbidden: the older ModelProvider " + older.Name + " already takes unlisted models of protocol OpenAI"))
		Expect(document(ctx, newer)()).To(BeEmpty())

		By("the older one giving them up")
		update(ctx, older, func(p *v1alpha1.ModelProvider) { p.Spec.UnlistedModels = nil })
		expectProgrammed(ctx, newer)

		By("the older one taking them back")
		update(ctx, older, func(p *v1alpha1.ModelProvider) {
			p.Spec.UnlistedModels = &v1alpha1.UnlistedModels{MaxOutputTokens: 700}
		})
		expectCondition(ctx, newer, v1alpha1.ConditionAccepted, "False Conflicted")
		Eventually(ctx, document(ctx, newer)).ShouldNot(ContainSubstring(`"unlistedModels"`))
		Expect(document(ctx, newer)()).To(ContainSubstring(`"model-b`), "what is not contested stays in force")

		By("the older one going")
		remove(ctx, older)
		expectProgrammed(ctx, newer)
	})

	It("has its models for itself: the older provider wins", func(ctx SpecContext) {
		startEnforcer(true)
		older := objects.ModelProvider("first", "shared")
		older.Name = "a-" + older.Name // Creation times are whole seconds: the name breaks a tie.
		create(ctx, older)
		expectProgrammed(ctx, older)
		newer := objects.ModelProvider("shared", "own")
		newer.Name = "b-" + newer.Name
		create(ctx, newer)
		expectCondition(ctx, newer, v1alpha1.ConditionAccepted, "False Conflicted")
		Expect(message(newer, v1alpha1.ConditionAccepted)).To(Equal(
			`spec.models[0].name: Invalid value: "shared": already governed by the older ModelProvider ` + older.Name + `: remove the model from one of the two`))
		Expect(document(ctx, newer)()).To(BeEmpty())
		Expect(newer.Finalizers).To(BeEmpty())

		By("the older one giving the model up")
		update(ctx, older, func(p *v1alpha1.ModelProvider) { p.Spec.Models = p.Spec.Models[:1] })
		expectProgrammed(ctx, newer)

		By("the older one taking it back: no model is to be had at two prices")
		update(ctx, older, func(p *v1alpha1.ModelProvider) {
			p.Spec.Models = append(p.Spec.Models, objects.ModelProvider("shared").Spec.Models...)
		})
		expectCondition(ctx, newer, v1alpha1.ConditionAccepted, "False Conflicted")
		Eventually(ctx, document(ctx, newer)).ShouldNot(ContainSubstring(`"shared"`))
		Expect(document(ctx, newer)()).To(ContainSubstring(`"own"`), "what is not contested stays in force")

		expectHeld(ctx, newer, true)

		By("the older one taking the other, too")
		update(ctx, older, func(p *v1alpha1.ModelProvider) {
			p.Spec.Models = append(p.Spec.Models, objects.ModelProvider("own").Spec.Models...)
		})
		Eventually(ctx, document(ctx, newer)).Should(BeEmpty())
		expectHeld(ctx, newer, false)

		By("the older one going")
		remove(ctx, older)
		expectProgrammed(ctx, newer)
	})
})
