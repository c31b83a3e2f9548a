BEGIN TRANSACTION;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE jobs (
    key TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    seed INTEGER NOT NULL,
    code TEXT NOT NULL,
    settings TEXT NOT NULL,
    overrides TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    log TEXT,
    run_id TEXT,
    folder TEXT,
    process TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    started REAL,
    seen REAL,
    ended REAL
);
INSERT INTO "jobs" VALUES('6f35263bc749d5f5','424df33a7e62a85182b69ea432b5de2434542117479be388f8e7819695cbc510',0,'4a011034c6af59098df8d7ba1ee5535975a6ea87a3bba661f2ad4c7115510d95','{"loss": "cross_entropy"}','["experiment=swept", "model.width=0.03", "loss=cross_entropy", "dataset=image_folder", "dataset.root=photographs", "dataset.crops.size=48", "dataset.crops.crop=32", "dataset.crops.evaluation_size=32", "evaluation=photos", "evaluation.size=32", "evaluation.judged=null", "evaluation.samples=0", "trainer.max_iterations=2", "trainer.batch_size=2", "trainer.log_every=1", "trainer.evaluate_every=2", "trainer.checkpoint_every=2", "trainer.device=cpu", "tracking=none", "outputs=outputs"]','done',NULL,'/gone/outputs/sweeps/designs/logs/6f35263bc749d5f5-1.log','cross_entropy','/gone/outputs/swept/cross_entropy','{"host": "gone", "pid": 22197, "process_started": 1796088760.35}',1,1.79608876070191025731e+09,1.79608876070191073419e+09,1.79608876521409869197e+09);
INSERT INTO "jobs" VALUES('87d95e72315dda1c','1116be72d09340748acd57004427e8d5e237de2ea266b6be1bab7071a9f0561c',0,'4a011034c6af59098df8d7ba1ee5535975a6ea87a3bba661f2ad4c7115510d95','{"loss": "focal"}','["experiment=swept", "model.width=0.03", "loss=focal", "dataset=image_folder", "dataset.root=photographs", "dataset.crops.size=48", "dataset.crops.crop=32", "dataset.crops.evaluation_size=32", "evaluation=photos", "evaluation.size=32", "evaluation.judged=null", "evaluation.samples=0", "trainer.max_iterations=2", "trainer.batch_size=2", "trainer.log_every=1", "trainer.evaluate_every=2", "trainer.checkpoint_every=2", "trainer.device=cpu", "tracking=none", "outputs=outputs"]','done',NULL,'/gone/outputs/sweeps/designs/logs/87d95e72315dda1c-1.log','focal','/gone/outputs/swept/focal','{"host": "gone", "pid": 22243, "process_started": 1796088764.87}',1,1.7960887652169210911e+09,1.79608876521692132949e+09,1.79608876943068408965e+09);
COMMIT;
