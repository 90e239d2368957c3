package webhook

import (
	"context"
	"net/http"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

//+kubebuilder:webhook:path=/add-finalizer,mutating=true,failurePolicy=ignore,sideEffects=None,timeoutSeconds=1,groups=bursar.dev,versions=v1alpha1,resources=apikeys;budgetgrants;identityproviders;memberships;modelproviders;tenantbudgets,verbs=create,name=finalizers.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system

// finalizerPath is where the API server has finalizers added.
const finalizerPath = "/add-finalizer"

// registerFinalizer makes the manager add the finalizer to objects that are created, of
// every kind of which objects program something. It saves the controllers a write for each.
// They add it themselves to an object that comes without, before they program anything.
func registerFinalizer(mgr ctrl.Manager) {
	mgr.GetWebhookServer().Register(finalizerPath, &admission.Webhook{Handler: admission.HandlerFunc(addFinalizer)})
}

// addFinalizer answers with the patch that adds the finalizer, unless the object has it. The
// API server decides who manages which fields before it asks: nobody manages the finalizer,
// so that no later apply takes it away.
func addFinalizer(_ context.Context, request admission.Request) admission.Response {
	var object unstructured.Unstructured
	if err := object.UnmarshalJSON(request.Object.Raw); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if !controllerutil.AddFinalizer(&object, v1alpha1.Finalizer) {
		return admission.Allowed("")
	}
	held, err := object.MarshalJSON()
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, held)
}
