// What JavaScript's SDK says of a local cloud, as one JSON document; it knows of it by the environment alone.
import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { GetQueueUrlCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const [sqs, sns, lambda, dynamodb, s3] = [SQSClient, SNSClient, LambdaClient, DynamoDBClient, S3Client].map((it) => new it({}));
const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: "Queue" }));
await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "sent" }));
const received = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
const published = await sns.send(
  new PublishCommand({ TopicArn: "arn:aws:sns:eu-west-1:123456789012:Topic", Message: "published" }),
);
const invoke = async (event) => {
  const { FunctionError, Payload } = await lambda.send(
    new InvokeCommand({ FunctionName: "Function", Payload: JSON.stringify(event) }),
  );
  const answer = JSON.parse(new TextDecoder().decode(Payload));
  return FunctionError ? `${FunctionError}: ${answer.errorType}` : answer;
};
await dynamodb.send(new PutItemCommand({ TableName: "Table", Item: { id: { S: "o-1" } } }));
const { Item } = await dynamodb.send(new GetItemCommand({ TableName: "Table", Key: { id: { S: "o-1" } } }));
await s3.send(new PutObjectCommand({ Bucket: "bucket", Key: "a/b.txt", Body: "text" }));
const { Body } = await s3.send(new GetObjectCommand({ Bucket: "bucket", Key: "a/b.txt" }));
console.log(
  JSON.stringify({
    sqs: received.Messages[0].Body,
    sns: typeof published.MessageId,
    lambda: [await invoke({ answer: 1 }), await invoke({ raise: "no" })],
    dynamodb: Item.id.S,
    s3: await Body.transformToString(),
  }),
);
