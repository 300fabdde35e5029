// Renders /openapi.json with the Swagger UI that BentoML ships; asks no validator elsewhere.
window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#contract",
  deepLinking: true,
  validatorUrl: null,
});
