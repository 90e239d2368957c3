package setup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/resources"
)

// How many resources are generated, and the seed that they come from: `make
// resources` says more than this.
var (
	generatedCount = number("BURSAR_RESOURCES", 60)
	generatedSeed  = number("BURSAR_SEED", 1)
)

func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

var _ = Describe("Generated resources", func() {
	It("are accepted if they are right, and otherwise refused by the field that is wrong, and never programmed", func(ctx SpecContext) {
		startEnforcer(true)
		withoutManager()
		steady(ctx)
		delegated, plain := newNamespace(ctx, v1alpha1.DelegatedLabel), newNamespace(ctx)
		maker := resources.New(uint64(generatedSeed), delegated, plain)
		made := maker.Make(generatedCount)
		DeferCleanup(removeAll, made)

		refused := createAll(ctx, made)
		taken := map[string]object{}
		Eventually(ctx, func(g Gomega) {
			there, err := allObjects(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			var wrong []string
			for i, r := range made {
				if refused[i] {
					continue
				}
				o := there[keyOf(r)]
				g.Expect(o).NotTo(BeNil(), r.String())
				taken[string(o.GetUID())] = o
				if complaint := misjudged(r, o); complaint != "" {
					wrong = append(wrong, complaint)
				}
			}
			g.Expect(wrong).To(BeEmpty(), strings.Join(wrong, "\n"))
		}).WithTimeout(5 * time.Minute).WithPolling(time.Second).Should(Succeed())

		programmed := sourcesInForce(ctx)
		for uid, o := range taken {
			isAccepted := meta.IsStatusConditionTrue(o.GetProgrammedStatus().Conditions, v1alpha1.ConditionAccepted)
			Expect(programmed[uid]).To(Equal(isAccepted), "whether %T %s is in a document", o, o.GetName())
		}
		Expect(panics()).To(BeZero())
		report(made, refused)

		spoil(ctx, maker, made, delegated)
	})
})

// spoil makes invalid updates of valid objects, and checks that they are refused and that what
// was in force stays.
func spoil(ctx context.Context, maker *resources.Maker, made []resources.Resource, namespace string) {
	GinkgoHelper()
	By("wrong updates of those that are right")
	before := inForceOf(ctx, namespace)
	var spoiled []resources.Resource
	for _, r := range made {
		if r.IsValid() {
			spoiled = append(spoiled, maker.Spoil(r))
		}
	}
	updatesRefused := updateAll(ctx, spoiled)
	Eventually(ctx, func(g Gomega) {
		there, err := allObjects(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		for i, r := range spoiled {
			if !updatesRefused[i] {
				g.Expect(misjudged(r, there[keyOf(r)])).To(BeEmpty())
			}
		}
	}).WithTimeout(time.Minute).WithPolling(200 * time.Millisecond).Should(Succeed())
	Expect(cmp.Diff(before, inForceOf(ctx, namespace))).To(BeEmpty(), "what was in force stays")
	Expect(panics()).To(BeZero())
	_, _ = fmt.Fprintf(GinkgoWriter, "seed %d: %d wrong updates, %d refused by the API server; each by its field; what was in force stayed\n",
		generatedSeed, len(spoiled), trues(updatesRefused))
}

// inForceOf are the documents that are compiled from objects of a namespace, without
// their revisions.
func inForceOf(ctx context.Context, namespace string) map[string]string {
	GinkgoHelper()
	documents, err := redisClient.HGetAll(ctx, limiterv1.DocumentsKey).Result()
	Expect(err).NotTo(HaveOccurred())
	bodies := map[string]string{}
	for id, stored := range documents {
		if _, body, _ := strings.Cut(stored, " "); strings.Contains(body, namespace) {
			bodies[id] = body
		}
	}
	return bodies
}

// updateAll updates the objects to the resources. It returns which updates are refused, and
// fails if one is refused for another reason than its flaw.
func updateAll(ctx context.Context, wrong []resources.Resource) []bool {
	GinkgoHelper()
	refused := make([]bool, len(wrong))
	errs := make([]error, len(wrong))
	var updating errgroup.Group
	updating.SetLimit(8)
	for i, r := range wrong {
		updating.Go(func() error {
			err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
				now := r.DeepCopy()
				if err := get(ctx, now); err != nil {
					return err
				}
				now.Object["spec"] = r.DeepCopy().Object["spec"]
				return api.Update(ctx, now, client.FieldValidation(metav1.FieldValidationStrict))
			})
			refused[i], errs[i] = err != nil, misrefused(r, err)
			return nil
		})
	}
	_ = updating.Wait() // no error comes this way
	Expect(errors.Join(errs...)).NotTo(HaveOccurred())
	return refused
}

func trues(all []bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// createAll creates the resources: first those that are valid or invalid by themselves, in
// any order, then those that must come after them. It returns which are refused, and fails
// if a valid one is, or if one is refused for another reason than its flaw.
func createAll(ctx context.Context, made []resources.Resource) []bool {
	GinkgoHelper()
	refused := make([]bool, len(made))
	errs := make([]error, len(made))
	order := rand.New(rand.NewPCG(uint64(generatedSeed), 1)).Perm(len(made))
	for _, later := range []bool{false, true} {
		var creating errgroup.Group
		creating.SetLimit(8)
		for _, i := range order {
			if made[i].Later == later {
				creating.Go(func() error {
					err := api.Create(ctx, made[i].DeepCopy(), client.FieldValidation(metav1.FieldValidationStrict))
					refused[i], errs[i] = err != nil, misrefused(made[i], err)
					return nil
				})
			}
		}
		_ = creating.Wait() // no error comes this way
	}
	Expect(errors.Join(errs...)).NotTo(HaveOccurred())
	return refused
}

// misrefused is what is wrong about the API server's answer; nil if nothing is.
func misrefused(r resources.Resource, err error) error {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case r.IsValid():
		return fmt.Errorf("%v was refused: %w", r, err)
	case !errors.As(err, &status) || apierrors.IsInternalError(err):
		return fmt.Errorf("%v was not refused, but failed: %w", r, err)
	}
	if details := status.Status().Details; details != nil {
		for _, cause := range details.Causes {
			if isAbout(cause.Field, r.Field) {
				return nil
			}
		}
	}
	// Webhooks, and the decoder for fields that do not exist, name the field only in the message.
	if strings.Contains(err.Error(), r.Field) {
		return nil
	}
	return fmt.Errorf("%v was refused for something else: %w", r, err)
}

// isAbout reports whether the field is the one that is wrong, or a part of it.
func isAbout(field, wrong string) bool {
	rest, isPart := strings.CutPrefix(field, wrong)
	return isPart && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// allObjects are all that there are, by their keys.
func allObjects(ctx context.Context) (map[string]object, error) {
	there := map[string]object{}
	for _, list := range []client.ObjectList{
		&v1alpha1.TenantBudgetList{}, &v1alpha1.RateLimitPolicyList{}, &v1alpha1.APIKeyList{}, &v1alpha1.ModelProviderList{},
		&v1alpha1.BudgetGrantList{}, &v1alpha1.IdentityProviderList{}, &v1alpha1.MembershipList{},
	} {
		if err := api.List(ctx, list); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			gvk, err := api.GroupVersionKindFor(item)
			item.GetObjectKind().SetGroupVersionKind(gvk)
			there[keyOf(item.(object))] = item.(object)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return there, nil
}

// keyOf tells objects of all kinds apart.
func keyOf(o client.Object) string {
	return o.GetObjectKind().GroupVersionKind().Kind + " " + client.ObjectKeyFromObject(o).String()
}

// misjudged is what is wrong about the status of an object that the API server has
// taken; empty when nothing is.
func misjudged(r resources.Resource, o object) string {
	accepted := meta.FindStatusCondition(o.GetProgrammedStatus().Conditions, v1alpha1.ConditionAccepted)
	switch {
	case accepted == nil || accepted.ObservedGeneration != o.GetGeneration():
		return fmt.Sprintf("%v has not been looked at", r)
	case r.IsValid() && !meta.IsStatusConditionTrue(o.GetProgrammedStatus().Conditions, v1alpha1.ConditionProgrammed):
		return fmt.Sprintf("%v is not programmed: %+v", r, o.GetProgrammedStatus().Conditions)
	case !r.IsValid() && accepted.Status != metav1.ConditionFalse:
		return fmt.Sprintf("%v is not refused: Accepted is %s: %s", r, accepted.Status, accepted.Message)
	case !r.IsValid() && !strings.Contains(accepted.Message, r.Field):
		return fmt.Sprintf("%v is refused for something else: %s", r, accepted.Message)
	}
	return ""
}

// sourcesInForce are the UIDs of all objects that documents are compiled from.
func sourcesInForce(ctx context.Context) map[string]bool {
	GinkgoHelper()
	documents, err := redisClient.HVals(ctx, limiterv1.DocumentsKey).Result()
	Expect(err).NotTo(HaveOccurred())
	sources := map[string]bool{}
	for _, stored := range documents {
		var document struct{ Sources []limiterv1.Source }
		_, body, _ := strings.Cut(stored, " ")
		Expect(json.Unmarshal([]byte(body), &document)).To(Succeed())
		for _, source := range document.Sources {
			sources[source.UID] = true
		}
	}
	return sources
}

// panics is how many reconciles and webhooks of this process have panicked.
func panics() float64 { return sum("_panics_total") }

func removeAll(ctx context.Context, made []resources.Resource) {
	var removing errgroup.Group
	removing.SetLimit(8)
	for _, r := range made {
		removing.Go(func() error { return client.IgnoreNotFound(api.Delete(ctx, r.DeepCopy())) })
	}
	Expect(removing.Wait()).To(Succeed())
	Eventually(ctx, func(g Gomega) {
		there, err := allObjects(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range made {
			g.Expect(there).NotTo(HaveKey(keyOf(r)))
		}
	}).WithTimeout(2 * time.Minute).WithPolling(200 * time.Millisecond).Should(Succeed())
}

// report prints how many there were of what.
func report(made []resources.Resource, refused []bool) {
	var right, byServer, byController int
	for i, r := range made {
		switch {
		case r.IsValid():
			right++
		case refused[i]:
			byServer++
		default:
			byController++
		}
	}
	_, _ = fmt.Fprintf(GinkgoWriter, "seed %d: %d resources; %d right, all accepted and programmed; "+
		"%d wrong refused by the API server and %d by Accepted=False, each by its field; none of them programmed; no panics\n",
		generatedSeed, len(made), right, byServer, byController)
}
