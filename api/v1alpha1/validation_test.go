package v1alpha1_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
)

func TestValidation(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "What the API server takes and what it refuses")
}

var api client.Client

var _ = BeforeSuite(func(ctx SpecContext) {
	server, err := kubernetes.Start(ctx, kubernetes.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Stop)
	scheme := runtime.NewScheme()
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	api, err = client.New(server.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
})

const namespace = "default"

func asIs[T any](*T) {}

// expectRefusal checks that the error names the field and says what is wrong.
func expectRefusal(err error, field, says string) {
	GinkgoHelper()
	Expect(err).To(HaveOccurred())
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue(), "not an answer of the API server: %v", err)
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "not refused as invalid: %v", err)
	var causes []string
	for _, cause := range status.Status().Details.Causes {
		causes = append(causes, cause.Field+": "+cause.Message)
	}
	Expect(causes).To(ContainElement(SatisfyAll(HavePrefix(field+": "), ContainSubstring(says))), "the error was: %v", err)
}

var _ = Describe("takes", func() {
	It("every provider of the catalogue, and keeps every field of it", func(ctx SpecContext) {
		files, err := filepath.Glob("../../config/providers/[^k]*.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(4))
		for _, file := range files {
			raw, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			provider := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal(raw, &provider.Object)).To(Succeed(), file)
			Expect(provider.GetKind()).To(Equal("ModelProvider"), file)
			Expect(api.Create(ctx, provider, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), file)
		}
	})
})

var _ = Describe("fills in", func() {
	It("what a budget leaves out", func(ctx SpecContext) {
		b := budget(asIs).(*v1alpha1.TenantBudget)
		Expect(api.Create(ctx, b, client.DryRunAll)).To(Succeed())
		Expect(b.Spec.TimeZone).To(Equal("UTC"))
		Expect(b.Spec.Limits[0].Per).To(Equal(v1alpha1.ScopeTenant))
		Expect(b.Spec.Enforcement).To(Equal(v1alpha1.EnforcementEnforce))
		Expect(b.Spec.Ladder).To(Equal([]v1alpha1.Rung{{AtPercent: 80, Action: "Warn"}, {AtPercent: 90, Action: "Trip"}}))
	})

	It("how old answers of a fallback may be", func(ctx SpecContext) {
		b := trip(func(r *v1alpha1.Rung) {
			r.Fallback, r.Cache = []v1alpha1.Fallback{"Cache"}, &v1alpha1.CacheFallback{}
		}).(*v1alpha1.TenantBudget)
		Expect(api.Create(ctx, b, client.DryRunAll)).To(Succeed())
		Expect(b.Spec.Ladder[0].Cache.MaxAge).To(Equal("1h"))
	})

	It("no rungs where the ladder is empty", func(ctx SpecContext) {
		b := budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{} }).(*v1alpha1.TenantBudget)
		Expect(api.Create(ctx, b, client.DryRunAll)).To(Succeed())
		Expect(b.Spec.Ladder).To(BeEmpty())
	})

	It("the kind of a policy's target", func(ctx SpecContext) {
		p := policy(asIs).(*v1alpha1.RateLimitPolicy)
		Expect(api.Create(ctx, p, client.DryRunAll)).To(Succeed())
		Expect(p.Spec.TargetRef.Kind).To(Equal("TenantBudget"))
	})

	It("the protocol of a provider", func(ctx SpecContext) {
		p := provider(asIs).(*v1alpha1.ModelProvider)
		Expect(api.Create(ctx, p, client.DryRunAll)).To(Succeed())
		Expect(p.Spec.Protocol).To(Equal("OpenAI"))
	})
})

var _ = DescribeTable("says of a new object that waiting for the controller",
	func(ctx SpecContext, object client.Object) {
		Expect(api.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(api.Delete(ctx, object)).To(Succeed()) })
		found := &unstructured.Unstructured{}
		gvk, err := apiutil.GVKForObject(object, api.Scheme())
		Expect(err).NotTo(HaveOccurred())
		found.SetGroupVersionKind(gvk)
		Expect(api.Get(ctx, client.ObjectKeyFromObject(object), found)).To(Succeed())
		// Without a status it would pass for one that is in force.
		result, err := status.Compute(found)
		Expect(err).NotTo(HaveOccurred())
		Expect(result).To(HaveField("Status", status.InProgressStatus))
		Expect(object.(interface {
			GetProgrammedStatus() *v1alpha1.ProgrammedStatus
		}).GetProgrammedStatus().Conditions).To(ConsistOf(And(
			HaveField("Type", v1alpha1.ConditionReconciling), HaveField("Reason", v1alpha1.ReasonPending))))
	},
	Entry("of a TenantBudget", budget(asIs)),
	Entry("of a RateLimitPolicy", policy(asIs)),
	Entry("of a ModelProvider", provider(asIs)),
	Entry("of an APIKey", key(asIs)),
	Entry("of a BudgetGrant", grant(asIs)),
	Entry("of an IdentityProvider", identityProvider(asIs)),
	Entry("of a Membership", membership(asIs)),
)

var _ = Describe("does not let change", func() {
	create := func(ctx context.Context, object client.Object) {
		GinkgoHelper()
		Expect(api.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(api.Delete(ctx, object)).To(Succeed()) })
	}

	It("the tenant of a budget", func(ctx SpecContext) {
		b := budget(asIs).(*v1alpha1.TenantBudget)
		create(ctx, b)
		changed := b.DeepCopy()
		changed.Spec.Tenant = "globex"
		expectRefusal(api.Update(ctx, changed), "spec.tenant", "cannot be changed")
	})

	DescribeTable("the parent of a budget",
		func(ctx SpecContext, was, is *v1alpha1.ParentRef) {
			b := budget(func(s *v1alpha1.TenantBudgetSpec) { s.ParentRef = was }).(*v1alpha1.TenantBudget)
			create(ctx, b)
			changed := b.DeepCopy()
			changed.Spec.ParentRef = is
			if (was == nil) == (is == nil) {
				Expect(api.Update(ctx, changed)).To(Succeed(), "which parents may follow each other is for the controllers to decide")
				return
			}
			expectRefusal(api.Update(ctx, changed), "spec.parentRef", "cannot be added or removed")
			b.Spec.Limits[0].Amount = "7.00"
			Expect(api.Update(ctx, b)).To(Succeed(), "all else can be changed")
		},
		Entry("to another", &v1alpha1.ParentRef{Name: "a"}, &v1alpha1.ParentRef{Name: "b"}),
		Entry("to one of another namespace", &v1alpha1.ParentRef{Name: "a"}, &v1alpha1.ParentRef{Name: "a", Namespace: "globex"}),
		Entry("from none", nil, &v1alpha1.ParentRef{Name: "a"}),
		Entry("to none", &v1alpha1.ParentRef{Name: "a"}, nil),
	)

	It("a key without saying until when the one before works", func(ctx SpecContext) {
		k := key(asIs).(*v1alpha1.APIKey)
		create(ctx, k)
		changed := k.DeepCopy()
		changed.Spec.SHA256 = otherHash
		expectRefusal(api.Update(ctx, changed.DeepCopy()), "spec.sha256", "add the previous hash to previousKeys")
		changed.Spec.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: k.Spec.SHA256, ExpiresAt: metav1.Now()}}
		Expect(api.Update(ctx, changed)).To(Succeed())
		changed.Spec.PreviousKeys = nil
		Expect(api.Update(ctx, changed)).To(Succeed(), "a key that was replaced can be taken out")
	})
})

// refused is a table of what the API server refuses, at which field, and what it says.
func refused(ctx SpecContext, object client.Object, field, says string) {
	expectRefusal(api.Create(ctx, object, client.DryRunAll), field, says)
}

// taken is a table of what it takes.
func taken(ctx SpecContext, object client.Object) {
	Expect(api.Create(ctx, object, client.DryRunAll)).To(Succeed())
}
