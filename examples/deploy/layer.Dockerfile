# With what the layer has; lambda-guard-layer.zip is what `lambda-guard layer build` writes.
FROM public.ecr.aws/lambda/python:3.13 AS layer
COPY lambda-guard-layer.zip /tmp/
RUN python -m zipfile -e /tmp/lambda-guard-layer.zip /opt

FROM public.ecr.aws/lambda/python:3.13
COPY --from=layer /opt /opt
COPY function/app.py ${LAMBDA_TASK_ROOT}/
CMD ["app.handler"]
