// Writes the template of cdk-monitoring-constructs for functions, queues, dead-letter queues and topics.
// usage: node monitoring_constructs.js FOLDER-OF-NODE-MODULES NAMES.json defaults|by-hand > TEMPLATE.json
// NAMES.json: {functions: [], streams: [], queues: {queue: dead-letter queue or null}, topics: []}
const fs = require('fs')
const path = require('path')
const [, , modules, file, how] = process.argv
const from = (name) => require(path.join(modules, name))
const { App, Duration, Stack } = from('aws-cdk-lib')
const lambda = from('aws-cdk-lib/aws-lambda')
const sqs = from('aws-cdk-lib/aws-sqs')
const sns = from('aws-cdk-lib/aws-sns')
const { MonitoringFacade } = from('cdk-monitoring-constructs')

const names = JSON.parse(fs.readFileSync(file, 'utf8'))
const app = new App()
const stack = new Stack(app, 'Watched', { env: { account: '123456789012', region: 'eu-west-1' } })
const facade = new MonitoringFacade(stack, 'Alarms', { alarmFactoryDefaults: { actionsEnabled: true, alarmNamePrefix: 'A' } })
const set = (alarms) => (how === 'by-hand' ? alarms : {})
const arn = (service, name) => `arn:aws:${service}:eu-west-1:123456789012:${name}`

for (const name of names.functions) {
  facade.monitorLambdaFunction({
    lambdaFunction: lambda.Function.fromFunctionName(stack, `F${name}`, name),
    ...set({
      addFaultCountAlarm: { Critical: { maxErrorCount: 0 } },
      addThrottlesCountAlarm: { Critical: { maxErrorCount: 0 } },
      ...(names.streams.includes(name) && { addMaxIteratorAgeAlarm: { Critical: { maxAgeInMillis: 60000 } } })
    })
  })
}
for (const [name, deadLetters] of Object.entries(names.queues)) {
  const queue = sqs.Queue.fromQueueArn(stack, `Q${name}`, arn('sqs', name))
  const oldest = set({ addQueueMaxMessageAgeAlarm: { Critical: { maxAgeInSeconds: 900 } } })
  if (deadLetters === null) {
    facade.monitorSqsQueue({ queue, ...oldest })
  } else {
    const deadLetterQueue = sqs.Queue.fromQueueArn(stack, `D${deadLetters}`, arn('sqs', deadLetters))
    facade.monitorSqsQueueWithDlq({
      queue, deadLetterQueue, ...oldest, ...set({ addDeadLetterQueueMaxSizeAlarm: { Critical: { maxMessageCount: 0 } } })
    })
  }
}
for (const name of names.topics) {
  facade.monitorSnsTopic({
    topic: sns.Topic.fromTopicArn(stack, `T${name}`, arn('sns', name)),
    ...set({ addMessageNotificationsFailedAlarm: { Critical: { maxNotificationsFailedCount: 0 } } })
  })
}
process.stdout.write(JSON.stringify(app.synth().getStackByName('Watched').template))
